"""A study's race, run again on other scores. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from orchestrator.core.arrays import Floats
from orchestrator.core.events import (
    Action,
    BudgetSpent,
    Closed,
    Decided,
    Decision,
    EpochEnded,
    Event,
    Extended,
    LegFailed,
    LegStarted,
    RaceEvent,
    Reopened,
    Resumed,
    Shortened,
    Widened,
)
from orchestrator.race import FinishingRace, RaceConfig, rule_class
from orchestrator.race.contract import OUT
from orchestrator.race.rule import Rule
from orchestrator.race.simulate.simulator import simulate

FoldRunPair = tuple[int, int]
Told = tuple[int, BudgetSpent | Shortened | Widened]
"""Fold-epochs that were spent, and what the race was told then of its finalists."""
ENDS = (Action.PARK, Action.STOP)


@dataclass(frozen=True)
class RaceAgain:
    """A race's rule and what came to it from outside. The same scores always give the same end.

    An epoch takes as long as any other, and more trials come once those before them are through.
    """

    rule: str  # a key of race.RULES
    cfg: RaceConfig
    slots: int = 1  # fold runs at once
    stages: tuple[int, ...] = ()  # trials in all, as they were made fewer or more; (): those of cfg
    told: tuple[Told, ...] = ()  # what came of its limits, in order
    failed: frozenset[FoldRunPair] = frozenset()  # (trial, fold) that failed for good, and so fail again

    @classmethod
    def of(cls, rule: str, cfg: RaceConfig, events: Iterable[Event]) -> RaceAgain:
        """As a journal tells of it. cfg: with the trials that the study was opened with."""
        stages = [cfg.trials]
        spent, slots = 0, 1
        told: list[Told] = []
        running: set[FoldRunPair] = set()
        failed = set()
        for event in events:
            if isinstance(event, Extended):
                stages.append(event.trials)
            elif isinstance(event, Shortened):
                stages = sorted({min(trials, event.trials) for trials in stages})
            elif isinstance(event, EpochEnded):
                spent += 1
            elif isinstance(event, Decided) and event.action == Action.FAIL and event.fold is not None:
                failed.add((event.trial, event.fold))
            elif isinstance(event, Reopened):
                failed = {pair for pair in failed if pair[0] != event.trial}
            if isinstance(event, BudgetSpent | Widened) or _narrows(event):
                told.append((spent, event))
            _follow(running, event)
            slots = max(slots, len(running))
        return cls(rule, cfg, slots, tuple(stages), tuple(told), frozenset(failed))

    @property
    def trials(self) -> int:
        return self.stages[-1] if self.stages else self.cfg.trials

    def complete(self, scores: Floats) -> list[int]:
        """The trials that own all folds at full length in the end and are not out.

        scores (trials, folds, epochs) in the metric's own direction; NaN from where a fold run fails.
        """
        race = _Budgeted(rule_class(self.rule)(self.cfg), self.told)
        full: dict[int, set[int]] = {}
        trials = self.cfg.trials
        for coming in self.stages or (trials,):
            if coming > trials and race.ended:
                break  # a race whose budget is spent takes no more trials
            if coming > trials:
                race.apply(Extended(coming))
            if coming < trials:
                race.apply(Shortened(coming))
            race.hear()
            trials = coming
            for trial, folds in simulate(race, scores, self.slots, record=False).full.items():
                full.setdefault(trial, set()).update(folds)
        own_all = sorted(trial for trial, folds in full.items() if len(folds) == self.cfg.folds)
        return [trial for trial in own_all if race.state(trial) not in OUT]


def _narrows(event: Event) -> TypeGuard[Shortened]:
    return isinstance(event, Shortened) and event.finalists is not None


class _Budgeted(FinishingRace):
    """Hears of its limits after as many fold-epochs as it did in truth: fewer finalists or more again, the
    end of its budget, the end of its time.

    A fold run that was told to go on with another leg begins it first, as under a driver.
    """

    def __init__(self, rule: Rule, told: Sequence[Told]) -> None:
        super().__init__(rule)
        self._told = list(told)
        self.ended = False

    def apply(self, event: RaceEvent) -> list[Decision]:
        decided = super().apply(event)
        if not decided or decided[-1].leg is None:
            self.hear()
        return decided

    def hear(self) -> None:
        """What is due by now."""
        while self._told and self.spent_fold_epochs >= self._told[0][0]:
            self._hear(self._told.pop(0)[1])

    def _hear(self, event: BudgetSpent | Shortened | Widened) -> None:
        if isinstance(event, BudgetSpent):
            self.ended = True
            super().apply(event)
        elif isinstance(event, Widened) and self.finalists < event.finalists <= self.most_finalists:
            super().apply(event)
        elif isinstance(event, Shortened) and not self.ended and (event.finalists or 0) <= self.finalists:
            super().apply(Shortened(self.book.runs.trials, event.finalists))


def _follow(running: set[FoldRunPair], event: Event) -> None:
    """Keeps the fold runs that are under way."""
    if isinstance(event, LegStarted):
        running.add((event.trial, event.fold))
    elif isinstance(event, LegFailed) or (isinstance(event, Decided) and event.action in ENDS):
        running.discard((event.trial, -1 if event.fold is None else event.fold))
    elif isinstance(event, Resumed | Closed):
        running.clear()

"""A study's race, run again on other scores. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
)
from orchestrator.race import FinishingRace, RaceConfig, rule_class
from orchestrator.race.contract import OUT
from orchestrator.race.rule import Rule
from orchestrator.race.simulate.simulator import simulate

FoldRunPair = tuple[int, int]
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
    finalists: tuple[int | None, ...] = ()  # of each stage, where time had no room for all; (): those of cfg
    budget: int | None = None  # fold-epochs after which the finalists alone ran on; None: it never ended so
    kept: int | None = None  # finalists that ran on then, where time was the limit
    over: tuple[int, int] | None = None  # fold-epochs when time was over, and how many were to be complete
    failed: frozenset[FoldRunPair] = frozenset()  # (trial, fold) that failed for good, and so fail again

    @classmethod
    def of(cls, rule: str, cfg: RaceConfig, events: Iterable[Event]) -> RaceAgain:
        """As a journal tells of it. cfg: with the trials that the study was opened with."""
        stages: list[tuple[int, int | None]] = [(cfg.trials, None)]
        spent, slots = 0, 1
        ends: list[tuple[int, int | None]] = []
        running: set[FoldRunPair] = set()
        failed = set()
        for event in events:
            if isinstance(event, Extended):
                stages.append((event.trials, None))
            elif isinstance(event, Shortened):
                stages = _shortened(stages, event)
            elif isinstance(event, BudgetSpent):
                ends.append((spent, event.finalists))
            elif isinstance(event, EpochEnded):
                spent += 1
            elif isinstance(event, Decided) and event.action == Action.FAIL and event.fold is not None:
                failed.add((event.trial, event.fold))
            elif isinstance(event, Reopened):
                failed = {pair for pair in failed if pair[0] != event.trial}
            _follow(running, event)
            slots = max(slots, len(running))
        budget, kept = ends[0] if ends else (None, None)
        over = None if len(ends) < 2 else (ends[-1][0], ends[-1][1] or cfg.finalists)
        trials, finalists = zip(*stages, strict=True)
        return cls(rule, cfg, slots, trials, finalists, budget, kept, over, frozenset(failed))

    @property
    def trials(self) -> int:
        return self.stages[-1] if self.stages else self.cfg.trials

    def complete(self, scores: Floats) -> list[int]:
        """The trials that own all folds at full length in the end and are not out.

        scores (trials, folds, epochs) in the metric's own direction; NaN from where a fold run fails.
        """
        race = _Budgeted(rule_class(self.rule)(self.cfg), self._ends())
        full: dict[int, set[int]] = {}
        trials = self.cfg.trials
        stages = self.stages or (trials,)
        for coming, finalists in zip(stages, self.finalists or (None,) * len(stages), strict=True):
            if coming > trials and race.ended:
                break  # a race whose budget is spent takes no more trials
            if coming > trials:
                race.apply(Extended(coming))
            if coming < trials or finalists is not None:
                race.apply(Shortened(coming, finalists))
            trials = coming
            for trial, folds in simulate(race, scores, self.slots, record=False).full.items():
                full.setdefault(trial, set()).update(folds)
        own_all = sorted(trial for trial, folds in full.items() if len(folds) == self.cfg.folds)
        return [trial for trial in own_all if race.state(trial) not in OUT]

    def _ends(self) -> list[tuple[int, BudgetSpent]]:
        ends = [] if self.budget is None else [(self.budget, BudgetSpent("the budget is spent", self.kept))]
        return (
            ends if self.over is None else [*ends, (self.over[0], BudgetSpent("time is over", self.over[1]))]
        )


def _shortened(stages: list[tuple[int, int | None]], event: Shortened) -> list[tuple[int, int | None]]:
    """Each number of trials once, with the last of its numbers of finalists."""
    fewer = {min(trials, event.trials): finalists for trials, finalists in stages}
    if event.finalists is not None:
        fewer[max(fewer)] = event.finalists
    return sorted(fewer.items())


class _Budgeted(FinishingRace):
    """Its budget is spent after so many fold-epochs, and later perhaps its time; or never.

    A fold run that was told to go on with another leg begins it first, as under a driver.
    """

    def __init__(self, rule: Rule, ends: list[tuple[int, BudgetSpent]]) -> None:
        super().__init__(rule)
        self._ends = ends  # fold-epochs spent, and what is told then
        self.ended = False

    def apply(self, event: RaceEvent) -> list[Decision]:
        decided = super().apply(event)
        begins = bool(decided) and decided[-1].leg is not None
        while self._ends and self.spent_fold_epochs >= self._ends[0][0] and not begins:
            self.ended = True
            super().apply(self._ends.pop(0)[1])
        return decided


def _follow(running: set[FoldRunPair], event: Event) -> None:
    """Keeps the fold runs that are under way."""
    if isinstance(event, LegStarted):
        running.add((event.trial, event.fold))
    elif isinstance(event, LegFailed) or (isinstance(event, Decided) and event.action in ENDS):
        running.discard((event.trial, -1 if event.fold is None else event.fold))
    elif isinstance(event, Resumed | Closed):
        running.clear()

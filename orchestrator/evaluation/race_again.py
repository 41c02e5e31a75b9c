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
    budget: int | None = None  # fold-epochs after which the finalists alone ran on; None: it never ended so
    failed: frozenset[FoldRunPair] = frozenset()  # (trial, fold) that failed for good, and so fail again

    @classmethod
    def of(cls, rule: str, cfg: RaceConfig, events: Iterable[Event]) -> RaceAgain:
        """As a journal tells of it. cfg: with the trials that the study was opened with."""
        stages, spent, budget, slots = [cfg.trials], 0, None, 1
        running: set[FoldRunPair] = set()
        failed = set()
        for event in events:
            if isinstance(event, Extended):
                stages.append(event.trials)
            elif isinstance(event, Shortened):
                stages = sorted({min(trials, event.trials) for trials in stages})
            elif isinstance(event, BudgetSpent):
                budget = spent
            elif isinstance(event, EpochEnded):
                spent += 1
            elif isinstance(event, Decided) and event.action == Action.FAIL and event.fold is not None:
                failed.add((event.trial, event.fold))
            elif isinstance(event, Reopened):
                failed = {pair for pair in failed if pair[0] != event.trial}
            _follow(running, event)
            slots = max(slots, len(running))
        return cls(rule, cfg, slots, tuple(stages), budget, frozenset(failed))

    @property
    def trials(self) -> int:
        return self.stages[-1] if self.stages else self.cfg.trials

    def complete(self, scores: Floats) -> list[int]:
        """The trials that own all folds at full length in the end and are not out.

        scores (trials, folds, epochs) in the metric's own direction; NaN from where a fold run fails.
        """
        race = _Budgeted(rule_class(self.rule)(self.cfg), self.budget)
        full: dict[int, set[int]] = {}
        trials = self.cfg.trials
        for coming in self.stages or (trials,):
            if coming > trials and race.ended:
                break  # a race whose budget is spent takes no more trials
            if coming != trials:
                race.apply(Extended(coming) if coming > trials else Shortened(coming))
            trials = coming
            for trial, folds in simulate(race, scores, self.slots, record=False).full.items():
                full.setdefault(trial, set()).update(folds)
        own_all = sorted(trial for trial, folds in full.items() if len(folds) == self.cfg.folds)
        return [trial for trial in own_all if race.state(trial) not in OUT]


class _Budgeted(FinishingRace):
    """Its budget is spent after so many fold-epochs, or never.

    A fold run that was told to go on with another leg begins it first, as under a driver.
    """

    def __init__(self, rule: Rule, budget: int | None) -> None:
        super().__init__(rule)
        self._budget = budget
        self.ended = False

    def apply(self, event: RaceEvent) -> list[Decision]:
        decided = super().apply(event)
        begins = bool(decided) and decided[-1].leg is not None
        spent = self._budget is not None and self.spent_fold_epochs >= self._budget
        if spent and not begins and not self.ended:
            self.ended = True
            super().apply(BudgetSpent("the budget is spent"))
        return decided


def _follow(running: set[FoldRunPair], event: Event) -> None:
    """Keeps the fold runs that are under way."""
    if isinstance(event, LegStarted):
        running.add((event.trial, event.fold))
    elif isinstance(event, LegFailed) or (isinstance(event, Decided) and event.action in ENDS):
        running.discard((event.trial, -1 if event.fold is None else event.fold))
    elif isinstance(event, Resumed | Closed):
        running.clear()

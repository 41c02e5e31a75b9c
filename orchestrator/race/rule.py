"""The contract of a stopping rule: a file with a class of four methods, and a line in `race.RULES`.

    class FirstComeFirstServed(Rule):
        "Every trial on every fold at full length."

        def __init__(self, cfg: RaceConfig) -> None:
            super().__init__(cfg)
            self._waiting = WaitingQueue(self.book)

        def next(self) -> Leg | None:
            return self._waiting.leg(lambda run: "every fold runs at full length")

        def on_epoch(self, run: FoldRun) -> list[Decision]:
            return self.complete_if_full(run)

        @classmethod
        def planned(cls, cfg: RaceConfig) -> int:
            return cfg.trials * cfg.folds * cfg.max_t

        def describe(self) -> str:
            return f"{self.runs.trials} trials at full length"

Legs, failures and retries, resumes, extensions, fewer trials and the end of a budget are taken care of; a
rule that wants other than that overrides a hook of `RunningRace`. What it knows is in `self.book` (states,
reasons, last rungs), `self.runs` (running bests) and `self.cfg`; it answers with `prune`, `promote`,
`complete`. It keeps to what events say: the same events must give the same decisions, for a study is resumed
by replaying them.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from orchestrator.race.bookkeeping import Bookkeeping
from orchestrator.race.config import RaceConfig
from orchestrator.race.running import RunningRace


class Rule(RunningRace):
    """A race by one rule. Of its own it cannot end early for a budget: that is `FinishingRace`."""

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(Bookkeeping(cfg))

    @classmethod
    @abstractmethod
    def planned(cls, cfg: RaceConfig) -> int:
        """Fold-epochs such a race expects to spend in all, speculation and failures not counted."""

    @abstractmethod
    def describe(self) -> str:
        """The plan in one line."""

    def planned_for(self, trials: int) -> int:
        """Fold-epochs of the race from its start to its end if it had the first `trials` trials alone."""
        return self.planned(replace(self.cfg, trials=trials)) if trials > 0 else 0

    @property
    def planned_fold_epochs(self) -> int:
        return self.planned_for(self.runs.trials - len(self.book.withdrawn))

    @property
    def fold_epochs_at_risk(self) -> int:
        """Spent on trials that count as finalists now and may be overtaken: what that may cost again."""
        return 0

    def remaining_fold_epochs(self, trials: int) -> int:
        count = trials - sum(trial < trials for trial in self.book.withdrawn)
        return max(self.planned_for(count) - self.runs.total_spent, 0)

"""The null rule: everything at full length."""

from __future__ import annotations

from orchestrator.core.events import Decision, Leg
from orchestrator.core.text import counted
from orchestrator.race.config import RaceConfig
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.rule import Rule
from orchestrator.race.waiting_queue import WaitingQueue


class Exhaustive(Rule):
    """The null rule: every trial on every fold at full length, trial by trial, fold by fold.

    grace_period, reduction_factor, finalists and ladder are not used. Raises SearchSpaceError.
    """

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
        return full_length_text(self)


def full_length_text(rule: Rule) -> str:
    """What a rule runs if nobody stops, and what it plans."""
    size = f"{counted(rule.runs.trials, 'trial')}, {counted(rule.folds, 'fold')}"
    return f"{size}, {counted(rule.max_t, 'epoch')} each ({rule.planned_fold_epochs} fold-epochs planned)"

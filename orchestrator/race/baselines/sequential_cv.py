"""Random search as it is done by hand: the folds of a trial one after another."""

from __future__ import annotations

from orchestrator.core.events import Decision, Leg
from orchestrator.race.baselines.exhaustive import full_length_text
from orchestrator.race.config import RaceConfig
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.rule import Rule
from orchestrator.race.waiting_queue import WaitingQueue


class SequentialCV(Rule):
    """Random search as done by hand: one slot runs a trial's folds one after another, at full length.

    Spends what Exhaustive spends and differs in the makespan: a trial never holds more than one slot.
    Trials start in order. Raises SearchSpaceError.
    """

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        self._waiting = WaitingQueue(self.book, self._goal)
        self.book.on_change = self._update_trial  # in place of the queue's: one fold's end lets another wait

    def next(self) -> Leg | None:
        return self._waiting.leg(self._reason)

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        return self.complete_if_full(run)

    @classmethod
    def planned(cls, cfg: RaceConfig) -> int:
        return cfg.trials * cfg.folds * cfg.max_t

    def describe(self) -> str:
        return full_length_text(self)

    def _reason(self, run: FoldRun) -> str:
        position = self.fold_order.index(run.fold)
        return f"fold {position + 1} of {self.folds} of its trial, one after another"

    def _goal(self, run: FoldRun) -> int:
        """Full length for the first fold that is not there yet."""
        row = self.runs.of(run.trial)
        unfinished = (fold for fold in self.fold_order if row[fold].epochs < self.max_t)
        its_turn = run.trial not in self.book.final and run.fold == next(unfinished, None)
        return self.max_t if its_turn else 0

    def _update_trial(self, run: FoldRun) -> None:
        for other in self.runs.of(run.trial):  # one that is done lets the next one wait
            self._waiting.update(other)

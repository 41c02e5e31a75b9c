"""Random search as it is done by hand: the folds of a trial one after another."""

from __future__ import annotations

from orchestrator.race.baselines.exhaustive import Exhaustive
from orchestrator.race.fold_runs import FoldRun


class SequentialCV(Exhaustive):
    """Random search as done by hand: one slot runs a trial's folds one after another, at full length.

    Spends what Exhaustive spends and differs in the makespan: a trial never holds more than one slot.
    Trials start in order. Raises SearchSpaceError.
    """

    def _first_places(self) -> range:
        return range(1)

    def _leg_words(self, run: FoldRun) -> str:
        return f"fold {self._place[run.fold] + 1} of {self.folds} of its trial, one after another"

    def _wanted(self, run: FoldRun) -> bool:
        row = self.runs.of(run.trial)
        unfinished = (fold for fold in self.fold_order if row[fold].epochs < self.max_t)
        return run.trial not in self._final and run.fold == next(unfinished, None)

    def _requeue(self, run: FoldRun) -> None:
        for other in self.runs.of(run.trial):  # one that is done lets the next one wait
            super()._requeue(other)

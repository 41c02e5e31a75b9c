"""Stock ASHA with every configuration x fold as a trial of its own."""

from __future__ import annotations

from typing import Unpack

from orchestrator.core.events import Decision, Leg
from orchestrator.race.baselines.exhaustive import Exhaustive
from orchestrator.race.baselines.stock_asha import ScoreList, expected_fold_epochs, milestones
from orchestrator.race.config import RaceOptions
from orchestrator.race.fold_runs import FoldRun


class PooledASHA(Exhaustive):
    """Stock ASHA with every configuration x fold as a trial of its own (Ray's AsyncHyperBandScheduler).

    One list of scores per rung for all fold runs; a fold run below the 1 - 1/reduction_factor percentile of
    those before it stops. A trial is COMPLETE only if all its folds survive; one with a stopped fold run is
    PRUNED while its other fold runs go on. Raises SearchSpaceError.
    """

    def __init__(self, **numbers: Unpack[RaceOptions]) -> None:
        super().__init__(**numbers)
        self._ended: dict[tuple[int, int], str] = {}  # fold runs with nothing left to do, and why
        self._fraction = 1 - 1 / self.numbers.reduction_factor
        self._milestones = milestones(self.numbers)
        self._top = len(self._milestones)
        self._recorded: set[tuple[int, int, int]] = set()  # (trial, fold, rung)
        self._lists: dict[tuple[int, int], ScoreList] = {}  # (rung, `_list_of` a fold run)

    def _list_of(self, run: FoldRun) -> int:
        """Which list of a rung this fold run is compared in."""
        return 0

    def _planned_for(self, trials: int) -> int:
        """What it would spend if every cut were exact; early fold runs, cut against few, make it more."""
        return round(expected_fold_epochs(trials * self.folds, self._milestones, self.numbers))

    @property
    def ladder_text(self) -> str:
        cuts = ", ".join(str(epoch) for epoch in self._milestones)
        count = self.runs.trials * self.folds
        return f"{count} fold runs, those below the {self._fraction:.0%} percentile stop at epochs {cuts}"

    def _wanted(self, run: FoldRun) -> bool:
        return (run.trial, run.fold) not in self._ended

    def _withdraw(self, trial: int) -> None:
        for fold in range(self.folds):
            self._ended[trial, fold] = "withdrawn"

    def _is_out(self, run: FoldRun) -> bool:
        return (run.trial, run.fold) in self._ended

    def _stop_words(self, run: FoldRun) -> str:
        return self._ended.get((run.trial, run.fold)) or super()._stop_words(run)

    def _after_fail(self, run: FoldRun, words: str) -> None:
        self._ended[run.trial, run.fold] = words

    def _after_epoch(self, run: FoldRun, leg: Leg) -> list[Decision]:
        key = (run.trial, run.fold)
        if run.epochs >= self.max_t:
            self._ended[key] = f"all {run.epochs} epochs done"
            return super()._after_epoch(run, leg)
        words = self._cut(run)
        if words is None:
            return []
        self._ended[key] = words
        return [] if run.trial in self._final else self._pruned(run.trial, words)

    def _cut(self, run: FoldRun) -> str | None:
        """Why this fold run stops here, or None. Records its score at the highest rung just reached."""
        for rung in reversed(range(self._top)):
            key = (run.trial, run.fold, rung)
            if run.epochs >= self._milestones[rung] and key not in self._recorded:
                self._recorded.add(key)
                self._note(run.trial, rung)
                return self._compare(run, self._list(run, rung))
        return None

    def _list(self, run: FoldRun, rung: int) -> ScoreList:
        return self._lists.setdefault((rung, self._list_of(run)), ScoreList(self._fraction))

    def _compare(self, run: FoldRun, before: ScoreList) -> str | None:
        cut = before.cut()
        words = f"fold {run.fold}: {self.runs.sign * run.latest:.4f} at epoch {run.epochs} "
        words += f"is worse than the cut {self.runs.sign * cut:.4f} of {len(before)} entries"
        before.add(run.latest)
        return words if run.latest < cut else None

    def _note(self, trial: int, rung: int) -> None:
        """The trial's place: the highest rung any of its folds reached, its mean over those that did."""
        if trial in self._final or rung < self._last.get(trial, (0, 0.0))[0]:
            return
        epochs = self._milestones[rung]
        reached = tuple(run.fold for run in self.runs.of(trial) if run.epochs >= epochs)
        self._last[trial] = (rung, self.runs.mean(trial, reached, epochs))


class PerFoldASHA(PooledASHA):
    """Stock ASHA for each fold on its own: one list of scores per rung and fold.

    A fold run below the 1 - 1/reduction_factor percentile of the entries of its own fold stops, so that a
    hard fold is not compared with an easy one. As PooledASHA otherwise. Raises SearchSpaceError.
    """

    def _list_of(self, run: FoldRun) -> int:
        return run.fold

    @property
    def ladder_text(self) -> str:
        return f"{super().ladder_text}, each fold on its own"

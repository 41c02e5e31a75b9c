"""Stock ASHA with every configuration x fold as a trial of its own."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from typing import Unpack

from orchestrator.race.baselines.exhaustive import Exhaustive
from orchestrator.race.numbers import RaceNumbers
from orchestrator.race.runs import FoldRun
from orchestrator.trial import Action, Decision, Leg, State


class PooledASHA(Exhaustive):
    """Stock ASHA with every configuration x fold as a trial of its own (Ray's AsyncHyperBandScheduler).

    One list of scores per rung for all fold runs; a fold run below the 1 - 1/reduction_factor percentile of
    those before it stops. A trial is COMPLETE only if all its folds survive; one with a stopped fold run is
    PRUNED while its other fold runs go on. Raises SearchSpaceError.
    """

    def __init__(self, **numbers: Unpack[RaceNumbers]) -> None:
        self._ended: dict[tuple[int, int], str] = {}  # fold runs with nothing left to do, and why
        super().__init__(**numbers)
        grace_period, reduction_factor = self.numbers.grace_period, self.numbers.reduction_factor
        self._fraction = 1 - 1 / reduction_factor
        count = int(math.log(self.max_t / grace_period) / math.log(reduction_factor) + 1)
        self._milestones = [grace_period * reduction_factor**level for level in reversed(range(count))]
        self._recorded: dict[int, set[tuple[int, int]]] = {epoch: set() for epoch in self._milestones}
        self._sorted: dict[int, list[float]] = {epoch: [] for epoch in self._milestones}

    @property
    def planned_fold_epochs(self) -> int:
        """What it would spend if every cut were exact; early fold runs, cut against few, make it more."""
        return self._planned_for(self.runs.trials)

    def _planned_for(self, trials: int) -> int:
        alive, done, total = float(trials * self.folds), 0, 0.0
        for milestone in [*reversed(self._milestones), self.max_t]:
            total += alive * (milestone - done)
            alive, done = alive * (1 - self._fraction), milestone
        return round(total)

    @property
    def ladder_text(self) -> str:
        cuts = ", ".join(str(epoch) for epoch in reversed(self._milestones))
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
        return self._ended[run.trial, run.fold]

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
        if run.trial in self._final:
            return []
        self._close(run.trial, State.PRUNED, words)
        return [Decision(Action.PRUNE, run.trial, words)]

    def _cut(self, run: FoldRun) -> str | None:
        """Why this fold run stops here, or None. Records its score at the highest rung just reached."""
        key = (run.trial, run.fold)
        for milestone in self._milestones:
            recorded = self._recorded[milestone]
            if run.epochs < milestone or key in recorded:
                continue
            before = self._sorted[milestone]
            cut = percentile(before, self._fraction) if before else -math.inf
            words = f"fold {run.fold}: {self.runs.sign * run.latest:.4f} at epoch {run.epochs} "
            words += f"is worse than the cut {self.runs.sign * cut:.4f} of {len(before)} entries"
            recorded.add(key)
            insort(before, run.latest)
            return words if run.latest < cut else None
        return None


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The value at `fraction` of an ascending list, interpolated as numpy.percentile does by default."""
    place = (len(ordered) - 1) * fraction
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

"""The rules that FoldASHA is compared with: everything at full length, and stock ASHA with pooled folds."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence

from orchestrator.race.fold_asha import check_knobs
from orchestrator.race.rule import Rule, check_extended
from orchestrator.race.runs import FoldRun
from orchestrator.trial import Action, Decision, Extended, Leg, State


class Exhaustive(Rule):
    """The null rule: every trial on every fold at full length, trial by trial, fold by fold.

    grace_period, reduction_factor, finalists and ladder are taken and not used. Raises SearchSpaceError.
    """

    def __init__(
        self,
        *,
        trials: int,
        folds: int,
        max_t: int,
        grace_period: int = 1,
        reduction_factor: int = 3,
        finalists: int = 3,
        mode: str = "max",
        fold_order: Sequence[int] | None = None,
        ladder: Sequence[Sequence[int]] | None = None,
        max_retries: int = 2,
    ) -> None:
        super().__init__(trials, folds, max_t, mode, fold_order, max_retries)
        check_knobs(max_t, grace_period, reduction_factor, finalists)
        self._place = {fold: place for place, fold in enumerate(self.fold_order)}
        self._waiting: list[tuple[int, int]] = []  # (trial, place in the fold order)
        self._queue_trials(0, trials)

    @property
    def done(self) -> bool:
        return not self.runs.running and not self._waiting

    def next(self) -> Leg | None:
        if not self._waiting:
            return None
        trial, place = self._waiting[0]
        run = self.runs.get(trial, self.fold_order[place])
        return Leg(trial, run.fold, run.epochs, self.max_t, False, "every fold runs at full length")

    @property
    def planned_fold_epochs(self) -> int:
        return self.runs.trials * self.folds * self.max_t

    @property
    def ladder_text(self) -> str:
        size = f"{self.runs.trials} trials, {self.folds} folds, {self.max_t} epochs each"
        return f"{size} ({self.planned_fold_epochs} fold-epochs planned)"

    def _wanted(self, run: FoldRun) -> bool:
        return run.trial not in self._final and run.epochs < self.max_t

    def _requeue(self, run: FoldRun) -> None:
        item = (run.trial, self._place[run.fold])
        place = bisect_left(self._waiting, item)
        queued = place < len(self._waiting) and self._waiting[place] == item
        wanted = not run.running and self._wanted(run)
        if queued and not wanted:
            del self._waiting[place]
        elif wanted and not queued:
            insort(self._waiting, item)

    def _after_epoch(self, run: FoldRun, leg: Leg) -> list[Decision]:
        if run.trial in self._final or self.runs.full(run.trial) < self.folds:
            return []
        score = self.runs.mean(run.trial, self.fold_order, self.max_t)
        self._last[run.trial] = (0, score)
        words = f"owns all {self.folds} folds at {self.max_t} epochs"
        self._close(run.trial, State.COMPLETE, words)
        return [Decision(Action.COMPLETE, run.trial, words)]

    def _after_fail(self, run: FoldRun, words: str) -> None:
        """Nobody takes its place."""

    def _settle(self) -> list[Decision]:
        return []

    def _extend(self, event: Extended) -> list[Decision]:
        now = self.runs.trials
        check_extended(event, now)
        self._queue_trials(now, event.trials)
        return []

    def _queue_trials(self, first: int, until: int) -> None:
        self.runs.grow(until)
        self._waiting += [(trial, place) for trial in range(first, until) for place in range(self.folds)]


class PooledASHA(Exhaustive):
    """Stock ASHA with every configuration x fold as a trial of its own (Ray's AsyncHyperBandScheduler).

    One list of scores per rung for all fold runs; a fold run below the 1 - 1/reduction_factor percentile of
    those before it stops. A trial is COMPLETE only if all its folds survive; one with a stopped fold run is
    PRUNED while its other fold runs go on. Raises SearchSpaceError.
    """

    def __init__(
        self,
        *,
        trials: int,
        folds: int,
        max_t: int,
        grace_period: int = 1,
        reduction_factor: int = 3,
        finalists: int = 3,
        mode: str = "max",
        fold_order: Sequence[int] | None = None,
        ladder: Sequence[Sequence[int]] | None = None,
        max_retries: int = 2,
    ) -> None:
        self._ended: dict[tuple[int, int], str] = {}  # fold runs with nothing left to do, and why
        super().__init__(
            trials=trials,
            folds=folds,
            max_t=max_t,
            grace_period=grace_period,
            reduction_factor=reduction_factor,
            finalists=finalists,
            mode=mode,
            fold_order=fold_order,
            max_retries=max_retries,
        )
        self._fraction = 1 - 1 / reduction_factor
        count = int(math.log(max_t / grace_period) / math.log(reduction_factor) + 1)
        self._milestones = [grace_period * reduction_factor**level for level in reversed(range(count))]
        self._recorded: dict[int, set[tuple[int, int]]] = {epoch: set() for epoch in self._milestones}
        self._sorted: dict[int, list[float]] = {epoch: [] for epoch in self._milestones}

    @property
    def planned_fold_epochs(self) -> int:
        """What it would spend if every cut were exact; early fold runs, cut against few, make it more."""
        alive, done, total = float(self.runs.trials * self.folds), 0, 0.0
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

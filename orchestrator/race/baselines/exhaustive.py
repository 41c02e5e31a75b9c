"""The null rule: everything at full length."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Unpack

from orchestrator.race.numbers import RaceNumbers
from orchestrator.race.rule import Rule, check_extended
from orchestrator.race.runs import FoldRun
from orchestrator.trial import Action, Decision, Extended, Leg, State


class Exhaustive(Rule):
    """The null rule: every trial on every fold at full length, trial by trial, fold by fold.

    grace_period, reduction_factor, finalists and ladder are not used. Raises SearchSpaceError.
    """

    def __init__(self, **numbers: Unpack[RaceNumbers]) -> None:
        super().__init__(**numbers)
        self._place = {fold: place for place, fold in enumerate(self.fold_order)}
        self._waiting: list[tuple[int, int]] = []  # (trial, place in the fold order)
        self._queue_trials(0, self.numbers.trials)

    @property
    def _done(self) -> bool:
        return not self.runs.running and not self._waiting

    def _next(self) -> Leg | None:
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

    def _planned_for(self, trials: int) -> int:
        return trials * self.folds * self.max_t

    def _withdraw(self, trial: int) -> None:
        """Its fold runs leave the queue as those of any trial that is out."""

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

"""The null rule: everything at full length."""

from __future__ import annotations

from typing import Unpack

from sortedcontainers import SortedList

from orchestrator.core.events import Action, Decision, Extended, Leg, State
from orchestrator.race.config import RaceOptions
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.rule import Rule, check_extended


class Exhaustive(Rule):
    """The null rule: every trial on every fold at full length, trial by trial, fold by fold.

    grace_period, reduction_factor, finalists and ladder are not used. Raises SearchSpaceError.
    """

    def __init__(self, **numbers: Unpack[RaceOptions]) -> None:
        super().__init__(**numbers)
        self._place = {fold: place for place, fold in enumerate(self.fold_order)}
        self._waiting: SortedList[tuple[int, int]] = SortedList()  # (trial, place in the fold order)
        self._queue_trials(0, self.numbers.trials)

    @property
    def _done(self) -> bool:
        return not self.runs.running and not self._waiting

    def _next(self) -> Leg | None:
        if not self._waiting:
            return None
        trial, place = self._waiting[0]
        run = self.runs.get(trial, self.fold_order[place])
        return Leg(trial, run.fold, run.epochs, self._goal(run), False, self._leg_words(run))

    @property
    def ladder_text(self) -> str:
        size = f"{self.runs.trials} trials, {self.folds} folds, {self.max_t} epochs each"
        return f"{size} ({self.planned_fold_epochs} fold-epochs planned)"

    def _planned_for(self, trials: int) -> int:
        return trials * self.folds * self.max_t

    def _withdraw(self, trial: int) -> None:
        """Its fold runs leave the queue as those of any trial that is out."""

    # ---- what waits for a slot ----

    def _goal(self, run: FoldRun) -> int:
        """Epochs at which the next leg of this fold run ends."""
        return self.max_t

    def _leg_words(self, run: FoldRun) -> str:
        return "every fold runs at full length"

    def _wanted(self, run: FoldRun) -> bool:
        return run.trial not in self._final and run.epochs < self._goal(run)

    def _requeue(self, run: FoldRun) -> None:
        item = (run.trial, self._place[run.fold])
        wanted = not run.running and self._wanted(run)
        if item not in self._waiting:
            if wanted:
                self._waiting.add(item)
        elif not wanted:
            self._waiting.remove(item)

    def _queue_trials(self, first: int, until: int) -> None:
        self.runs.grow(until)
        self._waiting.update(
            (trial, place) for trial in range(first, until) for place in self._first_places()
        )

    def _first_places(self) -> range:
        """The places in the fold order at which a new trial may start."""
        return range(self.folds)

    # ---- what events lead to ----

    def _after_epoch(self, run: FoldRun, leg: Leg) -> list[Decision]:
        if run.epochs < self.max_t or run.trial in self._final or self.runs.full(run.trial) < self.folds:
            return []
        return self._complete(run.trial)

    def _complete(self, trial: int) -> list[Decision]:
        self._last[trial] = (self._top, self.runs.mean(trial, self.fold_order, self.max_t))
        words = f"owns all {self.folds} folds at {self.max_t} epochs"
        self._close(trial, State.COMPLETE, words)
        return [Decision(Action.COMPLETE, trial, words)]

    def _pruned(self, trial: int, words: str) -> list[Decision]:
        self._close(trial, State.PRUNED, words)
        return [Decision(Action.PRUNE, trial, words)]

    def _after_fail(self, run: FoldRun, words: str) -> None:
        """Nobody takes its place."""

    def _settle(self) -> list[Decision]:
        return []

    def _extend(self, event: Extended) -> list[Decision]:
        now = self.runs.trials
        check_extended(event, now)
        self._queue_trials(now, event.trials)
        return []

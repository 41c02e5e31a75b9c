"""What all rules share: checked arguments, events taken in, failures, statuses.

A rule adds what it decides: `next`, what an epoch leads to, when a trial is out.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.errors import SearchSpaceError
from orchestrator.race.runs import FoldRun, FoldRuns
from orchestrator.trial import (
    Action,
    Decision,
    EpochEnded,
    Extended,
    Leg,
    LegFailed,
    LegStarted,
    Proposed,
    RaceEvent,
    Resumed,
    State,
    TrialStatus,
)

OUT = (State.PRUNED, State.FAIL)


class Rule(ABC):
    """A race; see orchestrator.trial.Race for the contract of its public part."""

    def __init__(
        self,
        trials: int,
        folds: int,
        max_t: int,
        mode: str,
        fold_order: Sequence[int] | None,
        max_retries: int,
    ) -> None:
        for name, value in (("trials", trials), ("folds", folds), ("max_t", max_t)):
            check_whole(name, value, 1)
        check_whole("max_retries", max_retries, 0)
        if mode not in ("max", "min"):
            raise SearchSpaceError(f"mode={mode!r} is neither 'max' nor 'min'; give one of them")
        order = tuple(range(folds)) if fold_order is None else tuple(fold_order)
        if sorted(order) != list(range(folds)):
            raise SearchSpaceError(
                f"fold_order={order} must hold each of the {folds} folds 0 to {folds - 1} once; correct it"
            )
        self.folds, self.max_t, self.fold_order, self.max_retries = folds, max_t, order, max_retries
        self.runs = FoldRuns(folds, max_t, mode)
        self._final: dict[int, State] = {}  # COMPLETE, PRUNED, FAIL
        self._why: dict[int, str] = {}
        self._last: dict[int, tuple[int, float]] = {}  # trial -> last finished rung (index), score there
        self.runs.grow(trials)

    # ---- the contract ----

    @property
    @abstractmethod
    def done(self) -> bool: ...

    @abstractmethod
    def next(self) -> Leg | None: ...

    @property
    @abstractmethod
    def planned_fold_epochs(self) -> int: ...

    @property
    @abstractmethod
    def ladder_text(self) -> str:
        """The plan in one line."""

    @property
    def spent_fold_epochs(self) -> int:
        return self.runs.total_spent

    def observe(self, event: RaceEvent) -> list[Decision]:
        """Raises ValueError for an event that cannot follow those before it."""
        if isinstance(event, LegStarted):
            self._start(event)
            return []
        if isinstance(event, EpochEnded):
            return self._epoch(event)
        if isinstance(event, LegFailed):
            return self._failed(event)
        if isinstance(event, Resumed):
            self._resume()
            return []
        if isinstance(event, Extended):
            return self._extend(event)
        if isinstance(event, Proposed):
            return []  # the rule handles numbers only
        raise ValueError(f"a race cannot take the event {event!r}")

    def statuses(self) -> list[TrialStatus]:
        return sorted((self.status(trial) for trial in range(self.runs.trials)), key=self._merit)

    def status(self, trial: int) -> TrialStatus:
        """Where one trial stands; costs nothing beside `statuses`."""
        rung, score = self._last.get(trial, (None, None))
        return TrialStatus(
            trial,
            self.state(trial),
            rung,
            None if score is None else self.runs.sign * score,
            self.runs.full(trial),
            self.runs.spent[trial],
            self._why.get(trial, ""),
        )

    def state(self, trial: int) -> State:
        if trial in self._final:
            return self._final[trial]
        row = self.runs.of(trial)
        if any(run.running for run in row):
            return State.RUNNING
        return State.PARKED if any(run.epochs for run in row) else State.WAITING

    # ---- what a rule decides ----

    @abstractmethod
    def _settle(self) -> list[Decision]:
        """Promotions, prunings and completions that follow from what is known now."""

    @abstractmethod
    def _requeue(self, run: FoldRun) -> None:
        """Looks again at whether this fold run waits for a slot."""

    @abstractmethod
    def _extend(self, event: Extended) -> list[Decision]: ...

    def _after_epoch(self, run: FoldRun, leg: Leg) -> list[Decision]:
        """Takes note of a finished epoch before anything is settled; prunings it leads to at once."""
        return []

    def _is_out(self, run: FoldRun) -> bool:
        """Whether this fold run has nothing left to do because it, or its trial, is out."""
        return self._final.get(run.trial) in OUT

    def _stop_words(self, run: FoldRun) -> str:
        """Why a fold run that is out stops."""
        return self._why.get(run.trial, "")

    def _retries(self, run: FoldRun, failure: str) -> bool:
        return failure in ("lost", "memory")  # memory: with more of it, so it cannot come again

    @abstractmethod
    def _after_fail(self, run: FoldRun, words: str) -> None:
        """Takes note of a fold run that failed for good."""

    # ---- events ----

    def _start(self, event: LegStarted) -> None:
        run = self.runs.start(event)
        if event.trial not in self._final:
            self._why[event.trial] = event.reason
        self._requeue(run)

    def _epoch(self, event: EpochEnded) -> list[Decision]:
        if not math.isfinite(event.score):
            run = self.runs.wasted_epoch(event)
            words = f"score {event.score} at epoch {event.epoch} of fold {event.fold} is not finite"
            decisions = self._fail(run, words)
            return [*decisions, Decision(Action.STOP, event.trial, words, event.fold)]
        run = self.runs.end_epoch(event)
        leg = run.leg
        assert leg is not None  # end_epoch checked it
        decisions = self._after_epoch(run, leg)
        if run.epochs < leg.end:
            return [*decisions, self._inside(run, leg)]
        self.runs.park(run)
        self._requeue(run)
        decisions += self._settle()
        return [*decisions, self._at_end(run, leg)]

    def _inside(self, run: FoldRun, leg: Leg) -> Decision:
        if self._is_out(run) or run.epochs >= self.max_t:
            return self._stop(run)
        words = f"epoch {run.epochs} of {leg.end} of its leg"
        return Decision(Action.CONTINUE, run.trial, words, run.fold)

    def _at_end(self, run: FoldRun, leg: Leg) -> Decision:
        if self._is_out(run) or run.epochs >= self.max_t:
            return self._stop(run)
        coming = self.next()
        if coming is not None and coming.key == leg.key:
            return Decision(Action.CONTINUE, run.trial, f"goes on at once: {coming.reason}", run.fold, coming)
        words = f"{run.epochs} epochs done; the slot goes to {_named(coming)}"
        return Decision(Action.PARK, run.trial, words, run.fold)

    def _stop(self, run: FoldRun) -> Decision:
        self.runs.park(run)
        words = self._stop_words(run) if self._is_out(run) else f"all {run.epochs} epochs done"
        if self._final.get(run.trial) in OUT:
            self.runs.rewind(run, 0)  # its checkpoints go with it
        self._requeue(run)
        return Decision(Action.STOP, run.trial, words, run.fold)

    def _failed(self, event: LegFailed) -> list[Decision]:
        run = self.runs.under_way(event)
        if self._is_out(run):
            return [replace(self._stop(run), reason=f"{event.failure}; the trial is out anyway")]
        tries = run.failures + 1
        if not self._retries(run, event.failure) or tries > self.max_retries:
            again = f", failure {tries} in a row" if tries > 1 else ""
            words = f"{event.failure} on fold {event.fold} after epoch {event.epoch}{again}: {event.error}"
            return self._fail(run, words)
        run.failures = tries
        self.runs.park(run)
        kept = 0 if self._final.get(event.trial) in OUT else min(event.epoch, run.epochs)
        self.runs.rewind(run, kept)
        words = f"{event.failure} on fold {event.fold}: "
        words += f"retry {tries} of {self.max_retries} from epoch {run.epochs}"
        if event.trial not in self._final:
            self._why[event.trial] = words
        self._requeue(run)
        return [*self._settle(), Decision(Action.RETRY, event.trial, words, event.fold)]

    def _fail(self, run: FoldRun, words: str) -> list[Decision]:
        self.runs.park(run)
        self._after_fail(run, words)
        self._close(run.trial, State.FAIL, words)
        return [Decision(Action.FAIL, run.trial, words, run.fold), *self._settle()]

    def _resume(self) -> None:
        for trial, fold in sorted(self.runs.running):
            run = self.runs.get(trial, fold)
            self.runs.park(run)
            if self._final.get(trial) in OUT:
                self.runs.rewind(run, 0)
            self._requeue(run)

    def _close(self, trial: int, state: State, words: str) -> None:
        """A trial is complete, pruned or failed; what is stored of one that is out is deleted."""
        self._final[trial] = state
        self._why[trial] = words
        for run in self.runs.of(trial):
            if state in OUT and not run.running:
                self.runs.rewind(run, 0)
            self._requeue(run)

    def _merit(self, status: TrialStatus) -> tuple[bool, bool, int, float, int]:
        rung, score = self._last.get(status.trial, (-1, 0.0))
        failed = status.state is State.FAIL
        return (status.state is not State.COMPLETE, failed, -rung, -score, status.trial)


def check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SearchSpaceError(f"{name}={value!r} must be a whole number of at least {least}")


def check_extended(event: Extended, now: int) -> None:
    if event.trials <= now:
        raise ValueError(f"the race has {now} trials: it cannot be extended to {event.trials}")


def _named(leg: Leg | None) -> str:
    return "nobody yet" if leg is None else f"trial {leg.trial} fold {leg.fold}"

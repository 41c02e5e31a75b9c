"""What all rules share: checked arguments, events taken in, failures, statuses.

A rule adds what it decides: `next`, what an epoch leads to, when a trial is out.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Unpack

from orchestrator.core.events import (
    Action,
    BudgetSpent,
    Decision,
    EpochEnded,
    Extended,
    Leg,
    LegFailed,
    LegStarted,
    Proposed,
    RaceEvent,
    Resumed,
    Shortened,
    State,
)
from orchestrator.race.config import RaceOptions
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.standings import OUT, Standings

LOST_TRIES = 10
"""In a row, of a fold run whose node went away each time."""


class Rule(Standings, ABC):
    """A race; see orchestrator.trial.Race for the contract of its public part."""

    _top = 0
    """The rung (index) of a complete trial."""

    def __init__(self, **numbers: Unpack[RaceOptions]) -> None:
        """See `Numbers`. Raises SearchSpaceError."""
        super().__init__(**numbers)
        self._finishing: tuple[int, ...] | None = None  # once the budget is spent: what is still run

    # ---- the contract ----

    @property
    def done(self) -> bool:
        if self._finishing is None:
            return self._done
        return not self.runs.running and self._finishing_leg() is None

    def next(self) -> Leg | None:
        return self._next() if self._finishing is None else self._finishing_leg()

    @property
    def planned_fold_epochs(self) -> int:
        return self._planned_for(self.runs.trials - len(self.withdrawn))

    def remaining_fold_epochs(self, trials: int) -> int:
        count = trials - sum(trial < trials for trial in self.withdrawn)
        return max(self._planned_for(count) - self.spent_fold_epochs, 0)

    @property
    def finish_fold_epochs(self) -> int:
        chosen = self._finalists() if self._finishing is None else self._finishing
        rows = [self.runs.of(trial) for trial in chosen if trial not in self._final]
        return sum(self.max_t - run.epochs for row in rows for run in row)

    @property
    @abstractmethod
    def ladder_text(self) -> str:
        """The plan in one line."""

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
            if self._finishing is not None:
                raise ValueError("the budget is spent: the race takes no more trials")
            return self._extend(event)
        if isinstance(event, Shortened):
            return self._shorten(event)
        if isinstance(event, BudgetSpent):
            return self._finish(event)
        if isinstance(event, Proposed):
            return []  # the rule handles numbers only
        raise ValueError(f"a race cannot take the event {event!r}")

    # ---- what a rule decides ----

    @property
    @abstractmethod
    def _done(self) -> bool: ...

    @abstractmethod
    def _next(self) -> Leg | None: ...

    @abstractmethod
    def _planned_for(self, trials: int) -> int:
        """Fold-epochs of the whole race if it had the first `trials` trials alone."""

    @abstractmethod
    def _withdraw(self, trial: int) -> None:
        """Takes note that a trial that never started will not."""

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

    def _tries(self, run: FoldRun, failure: str) -> int:
        """How often in a row a fold run is run again after such a failure."""
        if failure == "lost":
            return max(LOST_TRIES, self.max_retries)  # not its fault
        finishing = self._finishing is not None and failure != "nan"
        if finishing or failure == "memory":  # memory: with more of it, so it cannot come again
            return self.max_retries
        # What was too large for a server once is likely to be again.
        return min(1, self.max_retries) if failure == "killed" else 0

    @abstractmethod
    def _after_fail(self, run: FoldRun, words: str) -> None:
        """Takes note of a fold run that failed for good."""

    # ---- events ----

    def _start(self, event: LegStarted) -> None:
        run = self.runs.start(event)
        if event.trial not in self._final:
            self._why[event.trial] = event.reason
        self._requeue_if_racing(run)

    def _epoch(self, event: EpochEnded) -> list[Decision]:
        if not math.isfinite(event.score):
            run = self.runs.wasted_epoch(event)
            words = f"score {event.score} at epoch {event.epoch} of fold {event.fold} is not finite"
            decisions = self._fail(run, words)
            return [*decisions, Decision(Action.STOP, event.trial, words, event.fold)]
        run = self.runs.end_epoch(event)
        leg = run.leg
        assert leg is not None  # end_epoch checked it
        racing = self._finishing is None
        decisions = self._after_epoch(run, leg) if racing else self._after_finishing_epoch(run)
        if run.epochs < leg.end:
            return [*decisions, self._inside(run, leg)]
        self.runs.park(run)
        self._requeue_if_racing(run)
        decisions += self._settle_if_racing()
        return [*decisions, self._at_end(run, leg)]

    def _inside(self, run: FoldRun, leg: Leg) -> Decision:
        if self._stops(run) or run.epochs >= self.max_t:
            return self._stop(run)
        words = f"epoch {run.epochs} of {leg.end} of its leg"
        return Decision(Action.CONTINUE, run.trial, words, run.fold)

    def _at_end(self, run: FoldRun, leg: Leg) -> Decision:
        if self._stops(run) or run.epochs >= self.max_t:
            return self._stop(run)
        coming = self.next()
        if coming is not None and coming.key == leg.key:
            return Decision(Action.CONTINUE, run.trial, f"goes on at once: {coming.reason}", run.fold, coming)
        words = f"{run.epochs} epochs done; the slot goes to {_named(coming)}"
        return Decision(Action.PARK, run.trial, words, run.fold)

    def _stop(self, run: FoldRun) -> Decision:
        self.runs.park(run)
        words = self._stop_words(run) if self._stops(run) else f"all {run.epochs} epochs done"
        if self._final.get(run.trial) in OUT:
            self.runs.rewind(run, 0)  # its checkpoints go with it
        self._requeue_if_racing(run)
        return Decision(Action.STOP, run.trial, words, run.fold)

    def _failed(self, event: LegFailed) -> list[Decision]:
        run = self.runs.under_way(event)
        if self._stops(run):
            return [replace(self._stop(run), reason=f"{event.failure}; the trial is out anyway")]
        tries = run.failures[event.failure] + 1
        most = self._tries(run, event.failure)
        if tries > most:
            row = f", failure {tries} in a row" if tries > 1 else ""
            words = f"{event.failure} on fold {event.fold} after epoch {event.epoch}{row}: {event.error}"
            return self._fail(run, words)
        run.failures[event.failure] = tries
        self.runs.park(run)
        kept = 0 if self._final.get(event.trial) in OUT else min(event.epoch, run.epochs)
        self.runs.rewind(run, kept)
        words = f"{event.failure} on fold {event.fold}: "
        words += f"retry {tries} of {most} from epoch {run.epochs}"
        if event.trial not in self._final:
            self._why[event.trial] = words
        self._requeue_if_racing(run)
        return [*self._settle_if_racing(), Decision(Action.RETRY, event.trial, words, event.fold)]

    def _fail(self, run: FoldRun, words: str) -> list[Decision]:
        self.runs.park(run)
        if self._finishing is None:
            self._after_fail(run, words)
        self._close(run.trial, State.FAIL, words)
        return [Decision(Action.FAIL, run.trial, words, run.fold), *self._settle_if_racing()]

    def _resume(self) -> None:
        for trial, fold in sorted(self.runs.running):
            run = self.runs.get(trial, fold)
            self.runs.park(run)
            if self._final.get(trial) in OUT:
                self.runs.rewind(run, 0)
            self._requeue_if_racing(run)

    def _close(self, trial: int, state: State, words: str) -> None:
        """A trial is complete, pruned or failed; what is stored of one that is out is deleted."""
        self._final[trial] = state
        self._why[trial] = words
        for run in self.runs.of(trial):
            if state in OUT and not run.running:
                self.runs.rewind(run, 0)
            self._requeue_if_racing(run)

    def _stops(self, run: FoldRun) -> bool:
        finished = self._finishing is not None and self._final.get(run.trial) in OUT
        return finished or self._is_out(run)

    def _requeue_if_racing(self, run: FoldRun) -> None:
        if self._finishing is None:
            self._requeue(run)

    def _settle_if_racing(self) -> list[Decision]:
        return self._settle() if self._finishing is None else []

    # ---- fewer trials, or no budget for more than the finalists ----

    def _shorten(self, event: Shortened) -> list[Decision]:
        decisions = []
        trials = range(event.trials, self.runs.trials)
        left = [trial for trial in trials if trial not in self._final or self.runs.spent[trial]]
        for trial in left:
            if self.state(trial) is not State.WAITING:
                raise ValueError(f"trial {trial} has started: the race cannot be cut to {event.trials}")
        for trial in left:
            words = "the budget has no room for it"
            self._withdraw(trial)
            self.withdrawn.add(trial)
            self._close(trial, State.PRUNED, words)
            decisions.append(Decision(Action.PRUNE, trial, words))
        return [*decisions, *self._settle_if_racing()]

    def _finish(self, event: BudgetSpent) -> list[Decision]:
        """The finalists go to the end of all folds, everything else is out."""
        if self._finishing is not None:
            raise ValueError("the budget was spent before")
        self._finishing = self._finalists()
        decisions = []
        for trial in range(self.runs.trials):
            if trial not in self._final and trial not in self._finishing:
                self._close(trial, State.PRUNED, event.reason)
                decisions.append(Decision(Action.PRUNE, trial, event.reason))
        for trial in self._finishing:
            if trial not in self._final:
                words = f"{event.reason}; goes to the end of all folds"
                decisions.append(Decision(Action.PROMOTE, trial, words))
                if self.runs.full(trial) >= self.folds:  # guesses were there first: no epoch will follow
                    decisions += self._after_finishing_epoch(self.runs.get(trial, 0))
        return decisions

    def _finishing_leg(self) -> Leg | None:
        for trial in self._finishing or ():
            for fold in self.fold_order if trial not in self._final else ():
                run = self.runs.get(trial, fold)
                if not run.running and run.epochs < self.max_t:
                    return Leg(trial, fold, run.epochs, self.max_t, False, "the budget is for the finalists")
        return None

    def _after_finishing_epoch(self, run: FoldRun) -> list[Decision]:
        if run.trial in self._final or self.runs.full(run.trial) < self.folds:
            return []
        self._last[run.trial] = (self._top, self.runs.mean(run.trial, self.fold_order, self.max_t))
        words = f"owns all {self.folds} folds at {self.max_t} epochs"
        self._close(run.trial, State.COMPLETE, words)
        return [Decision(Action.COMPLETE, run.trial, words)]


def check_extended(event: Extended, now: int) -> None:
    if event.trials <= now:
        raise ValueError(f"the race has {now} trials: it cannot be extended to {event.trials}")


def _named(leg: Leg | None) -> str:
    return "nobody yet" if leg is None else f"trial {leg.trial} fold {leg.fold}"

"""What every race does with an event, whoever decides: legs, epochs, failures, resumes, fewer trials."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from dataclasses import replace

from orchestrator.core.events import (
    Action,
    Decision,
    EpochEnded,
    Extended,
    Leg,
    LegFailed,
    LegStarted,
    Proposed,
    RaceEvent,
    Reopened,
    Resumed,
    Shortened,
    State,
    Widened,
)
from orchestrator.core.text import counted
from orchestrator.race.bookkeeping import Bookkeeping
from orchestrator.race.config import RaceConfig
from orchestrator.race.fold_runs import FoldRun

LOST_TRIES = 10
"""In a row, of a fold run whose node went away each time: see docs/decisions.md, The race (`max_retries`)."""

GPU_TRIES = 2
"""In a row, of a fold run whose share of a GPU was too small: twice the share, then a whole GPU."""

UNCOUNTED = sys.maxsize
COMPARED_FOR_GOOD = (
    "this rule compares a trial once and for all: begin another study with that configuration (--try)"
)
"""Why a rule that cannot take a trial back refuses one that failed."""


class RunningRace(ABC):
    """Events in, decisions out. What is decided is up to `next`, `on_epoch` and the hooks after them."""

    takes_back = True
    """Whether a trial that failed may be run again: not where it was compared once and for all."""

    def __init__(self, book: Bookkeeping) -> None:
        self.book, self.runs = book, book.runs
        self.folds, self.max_t, self.fold_order = book.cfg.folds, book.cfg.max_t, book.cfg.order

    @property
    def cfg(self) -> RaceConfig:
        """The number of finalists may change."""
        return self.book.cfg

    # ---- what is decided ----

    @abstractmethod
    def next(self) -> Leg | None:
        """The leg a free slot should take, or None. Asks and changes nothing."""

    @abstractmethod
    def on_epoch(self, run: FoldRun) -> list[Decision]:
        """A fold run has one more epoch, stored in `run.bests`: who is pruned, promoted or complete by it."""

    @property
    def done(self) -> bool:
        """Nothing is running and nothing is left to run."""
        return not self.runs.running and self.next() is None

    def settle(self) -> list[Decision]:
        """Promotions, prunings and completions that follow once a leg has ended or a trial is out."""
        return []

    def on_fail(self, run: FoldRun, reason: str) -> None:  # noqa: B027
        """A fold run failed for good; its trial is closed next."""

    def on_reopen(self, trial: int) -> None:  # noqa: B027
        """A trial that failed is in the race again: it has its epochs back, and its state is open."""

    def on_withdraw(self, trial: int) -> None:  # noqa: B027
        """A trial that never started will not; it is closed next."""

    def on_finalists(self) -> None:  # noqa: B027
        """Fewer or more trials are to complete (`cfg.finalists`)."""

    def refuses_again(self, trial: int) -> str:
        """Why a trial that failed cannot be run again; "" where it can."""
        return "" if self.takes_back else COMPARED_FOR_GOOD

    def extend(self, trials: int) -> None:
        """There are so many trials from now on. A rule that keeps tables of its own adds to them."""
        self.book.extend(trials)

    def stops(self, run: FoldRun) -> bool:
        """Whether this fold run ends at its next report because it, or its trial, is out."""
        return self.book.is_out(run.trial)

    def stop_reason(self, run: FoldRun) -> str:
        return self.book.reasons.get(run.trial, "")

    def tries(self, run: FoldRun, failure: str) -> int:
        """How often in a row a fold run is run again after such a failure."""
        retries = self.cfg.max_retries
        if failure == "crowded":
            return UNCOUNTED  # others took the memory: whoever runs it waits for room
        if failure == "lost":
            return max(LOST_TRIES, retries)  # not its fault
        if failure == "memory":  # run again with more of it, until it cannot come again
            return max(GPU_TRIES, retries)
        # What was too large for a server once is likely to be again.
        return min(1, retries) if failure == "killed" else 0

    # ---- what a rule answers with ----

    def close(self, trial: int, state: State, reason: str) -> None:
        """Every trial that is complete, pruned or failed comes by here."""
        self.book.close(trial, state, reason)

    def prune(self, trial: int, reason: str) -> list[Decision]:
        self.close(trial, State.PRUNED, reason)
        return [Decision(Action.PRUNE, trial, reason)]

    def promote(self, trial: int, reason: str) -> Decision:
        """It goes on; one that had been pruned starts again from its first epoch."""
        self.book.go_on(trial, reason)
        return Decision(Action.PROMOTE, trial, self.book.reasons[trial])

    def complete(self, trial: int) -> list[Decision]:
        """All its folds are at full length."""
        self.book.last_rung_score[trial] = (
            self.book.top_rung,
            self.runs.mean(trial, self.fold_order, self.max_t),
        )
        reason = self.completed_text()
        self.close(trial, State.COMPLETE, reason)
        return [Decision(Action.COMPLETE, trial, reason)]

    def complete_if_full(self, run: FoldRun) -> list[Decision]:
        """Its trial, once this fold run and all others of it are at full length."""
        if run.epochs < self.max_t or run.trial in self.book.final:
            return []
        return self.complete(run.trial) if self.runs.full(run.trial) == self.folds else []

    def completed_text(self) -> str:
        return f"completed all {counted(self.folds, 'fold')} at {counted(self.max_t, 'epoch')}"

    # ---- events ----

    def apply(self, event: RaceEvent) -> list[Decision]:
        """Raises ValueError for an event that cannot follow those before it."""
        if isinstance(event, EpochEnded):
            return self._epoch(event)
        if isinstance(event, LegStarted):
            self._start(event)
        elif isinstance(event, LegFailed):
            return self._failed(event)
        elif isinstance(event, Resumed):
            self._resume()
        elif isinstance(event, Reopened):
            return self._reopen(event)
        elif isinstance(event, Extended):
            self._extended(event)
        elif isinstance(event, Shortened):
            return self._shorten(event)
        elif isinstance(event, Widened):
            return self.widen(event)
        elif not isinstance(event, Proposed):  # a race knows trials by their numbers only
            raise ValueError(f"a race cannot take the event {event!r}")
        return []

    def _extended(self, event: Extended) -> None:
        if event.trials <= self.runs.trials:
            now = counted(self.runs.trials, "trial")
            raise ValueError(f"the race has {now}: it cannot be extended to {event.trials}")
        self.book.narrow(None)
        self.extend(event.trials)

    def _start(self, event: LegStarted) -> None:
        run = self.runs.start(event)
        if event.trial not in self.book.final:
            self.book.reasons[event.trial] = event.reason
        self.book.on_change(run)

    def _epoch(self, event: EpochEnded) -> list[Decision]:
        if not math.isfinite(event.score):
            run = self.runs.wasted_epoch(event)
            reason = f"score {event.score} at epoch {event.epoch} of fold {event.fold} is not finite"
            decisions = self._fail(run, reason)
            return [*decisions, Decision(Action.STOP, event.trial, reason, event.fold)]
        run = self.runs.end_epoch(event)
        leg = run.leg
        assert leg is not None  # end_epoch checked it
        decisions = self.on_epoch(run)
        if run.epochs < leg.end:
            return [*decisions, self._inside(run, leg)]
        self.runs.park(run)
        self.book.on_change(run)
        decisions += self.settle()
        return [*decisions, self._at_end(run, leg)]

    def _inside(self, run: FoldRun, leg: Leg) -> Decision:
        if self.stops(run) or run.epochs >= self.max_t:
            return self._stop(run)
        reason = f"epoch {run.epochs} of {leg.end} of its leg"
        return Decision(Action.CONTINUE, run.trial, reason, run.fold)

    def _at_end(self, run: FoldRun, leg: Leg) -> Decision:
        if self.stops(run) or run.epochs >= self.max_t:
            return self._stop(run)
        coming = self.next()
        if coming is not None and coming.key == leg.key:
            return Decision(Action.CONTINUE, run.trial, f"goes on at once: {coming.reason}", run.fold, coming)
        reason = f"{counted(run.epochs, 'epoch')} done; the slot goes to {_named(coming)}"
        return Decision(Action.PARK, run.trial, reason, run.fold)

    def _stop(self, run: FoldRun) -> Decision:
        self.runs.park(run)
        stopped = self.stops(run)
        reason = self.stop_reason(run) if stopped else f"all {counted(run.epochs, 'epoch')} done"
        if self.book.is_out(run.trial):
            self.book.put_away(run)
        self.book.on_change(run)
        return Decision(Action.STOP, run.trial, reason, run.fold)

    def _failed(self, event: LegFailed) -> list[Decision]:
        run = self.runs.under_way(event)
        if self.stops(run):
            return [replace(self._stop(run), reason=f"{event.failure}; the trial is out anyway")]
        tries = run.failures[event.failure] + 1
        most = self.tries(run, event.failure)
        if tries > most:
            row = f", failure {tries} in a row" if tries > 1 else ""
            reason = f"{event.failure} on fold {event.fold} after epoch {event.epoch}{row}: {event.error}"
            return self._fail(run, reason)
        run.failures[event.failure] = tries
        which = "run again" if most == UNCOUNTED else f"retry {tries} of {most}"
        return self._retry(run, event, which)

    def _retry(self, run: FoldRun, event: LegFailed, which: str) -> list[Decision]:
        self.runs.park(run)
        # Of a trial that is out nothing is stored; a pooled rule runs its fold runs all the same.
        kept = 0 if self.book.is_out(event.trial) else min(event.epoch, run.epochs)
        self.runs.rewind(run, kept)
        reason = f"{event.failure} on fold {event.fold}: {which} from epoch {run.epochs}"
        if event.trial not in self.book.final:
            self.book.reasons[event.trial] = reason
        self.book.on_change(run)
        return [*self.settle(), Decision(Action.RETRY, event.trial, reason, event.fold)]

    def _fail(self, run: FoldRun, reason: str) -> list[Decision]:
        self.runs.park(run)
        self.on_fail(run, reason)
        self.close(run.trial, State.FAIL, reason)
        return [Decision(Action.FAIL, run.trial, reason, run.fold), *self.settle()]

    def _resume(self) -> None:
        for trial, fold in sorted(self.runs.running):
            run = self.runs.get(trial, fold)
            self.runs.park(run)
            if self.book.is_out(trial):
                self.book.put_away(run)
            self.book.on_change(run)

    def _reopen(self, event: Reopened) -> list[Decision]:
        trial, row = event.trial, [self.runs.get(event.trial, fold) for fold in range(self.folds)]
        if (state := self.book.state(trial)) is not State.FAIL:
            raise ValueError(f"trial {trial} is {state}: only one that failed is run again")
        if reason := self.refuses_again(trial):
            raise ValueError(reason)
        had = self.book.epochs_set_aside(trial)
        if len(event.epochs) != self.folds or not all(map(_inside, event.epochs, had)):
            raise ValueError(f"trial {trial} cannot go on from epochs {[*event.epochs]}: it had {had}")
        self.book.reopen(trial, event.epochs)
        self.on_reopen(trial)
        for run in row:
            self.book.on_change(run)
        return self.settle()

    def _shorten(self, event: Shortened) -> list[Decision]:
        trials = range(event.trials, self.runs.trials)
        left = [trial for trial in trials if trial not in self.book.final or self.runs.spent[trial]]
        for trial in left:
            if self.book.state(trial) is not State.WAITING:
                raise ValueError(f"trial {trial} has started: the race cannot be cut to {event.trials}")
        decisions = []
        for trial in left:
            self.on_withdraw(trial)
            self.book.withdrawn.add(trial)
            decisions += self.prune(trial, "the budget has no room for it")
        if event.finalists is not None:
            self._narrow(event.finalists)
        return [*decisions, *self.settle()]

    def _narrow(self, finalists: int) -> None:
        if not 1 <= finalists <= self.cfg.finalists:
            raise ValueError(f"{self.cfg.finalists} trials are to complete: they cannot become {finalists}")
        self.book.narrow(finalists)
        self.on_finalists()

    def widen(self, event: Widened) -> list[Decision]:
        """More trials are to complete. Raises ValueError where they do already, or never were."""
        if not self.cfg.finalists < event.finalists <= self.book.most_finalists:
            raise ValueError(
                f"{self.cfg.finalists} trials are to complete: they cannot become {event.finalists}"
            )
        self.book.narrow(event.finalists)
        self.on_finalists()
        return self.settle()


def _inside(epochs: int, most: int) -> bool:
    return 0 <= epochs <= most


def _named(leg: Leg | None) -> str:
    return "nobody yet" if leg is None else f"trial {leg.trial} fold {leg.fold}"

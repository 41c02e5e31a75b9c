"""Keeps a race within its budget: fewer trials or finalists, the finalists alone, or more trials meanwhile.

The limit of fold-epochs is a promise. It is kept with a second race, which takes each event first: where
completing the finalists would no longer fit after it, `BudgetSpent` comes before it. The limit of time is
kept as well as what epochs took so far foretells: where there is no room for all finalists there are fewer,
and one is completed in any case. When time is over and some trial is complete, nothing more begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from orchestrator.budget.deadline import Deadline
from orchestrator.budget.ledger import Ledger, ledger, still_in
from orchestrator.budget.limits import Bounds, Budget, duration_text
from orchestrator.budget.pace import EpochSpeed
from orchestrator.core.events import (
    Action,
    BudgetSpent,
    Decision,
    EpochEnded,
    Extended,
    FoldRunKey,
    Leg,
    LegFailed,
    Proposed,
    RaceEvent,
    Shortened,
    State,
    own_decision,
)
from orchestrator.core.text import counted
from orchestrator.race.contract import Race
from orchestrator.race.finishing import longest_leg

Running = Collection[FoldRunKey]
BudgetAction = Shortened | BudgetSpent | Extended
"""Events by which a race is kept within its budget."""


class BudgetController:
    """Asked `before` each event and `now` before each leg; it answers with events for the race.

    ahead: a race in the same state as `race`, the controller's own
    plan: fold-epochs that a race of so many trials plans
    elapsed: seconds since the command began
    proposed: trials that have a configuration
    finishing: whether the race was told in an earlier session that its finalists alone run on
    """

    def __init__(
        self,
        race: Race,
        ahead: Race,
        budget: Budget,
        bounds: Bounds,
        plan: Callable[[int], int],
        elapsed: Callable[[], float],
        proposed: Collection[int] = (),
        finishing: bool = False,
    ) -> None:
        self._race, self._budget, self._bounds, self._plan = race, budget, bounds, plan
        self._ahead = None if budget.fold_epochs is None else ahead
        self._speed = EpochSpeed(bounds.slots, elapsed)
        self._time = Deadline(budget.seconds, self._speed, longest_leg(bounds.max_t), self._best_lacks)
        self._proposed = set(proposed)
        self._trials = bounds.trials  # of the race, those that were added included
        self._spent_before = 0  # fold-epochs when the last trials were added
        self._plans: dict[int, int] = {}  # trials -> fold-epochs of a cohort of so many
        self._finishing = finishing
        self._over = False  # whether the race was told that time is over

    def use_slots(self, slots: int) -> None:
        """So many fold runs go on at once from now on."""
        self._bounds = replace(self._bounds, slots=slots)
        self._speed.use_slots(slots)

    # ---- before an event ----

    def before(self, event: RaceEvent, running: Running) -> BudgetSpent | None:
        """What the race must take before this event. running: fold runs under way as it happens."""
        self._note(event, running)
        if self._is_late(event):
            self._ahead = None  # what is complete stays so, and nothing else goes on
            return self._end_with_time()
        decisions = [] if self._ahead is None else self._ahead.apply(event)
        if self._ahead is None or not isinstance(event, EpochEnded | LegFailed | Shortened):
            return None  # a shortened race may fill a vacancy with a trial that starts again
        after = set(running)
        if not isinstance(event, Shortened) and not _goes_on(event, decisions):
            after.discard(FoldRunKey(event.trial, event.fold))
        if self._within_fold_epochs(self._ahead, self._finals + len(after)):
            return None  # whoever the finalists are
        if self._within_fold_epochs(self._ahead, self._ledger(self._ahead, after).to_finish):
            return None
        return self._end(by_time=False)

    def _is_late(self, event: RaceEvent) -> bool:
        """Whether this epoch's fold run would begin another though time is over and a trial complete."""
        if self._over or not self._time.passed or not isinstance(event, EpochEnded):
            return False
        return event.epoch < self._bounds.max_t and any(
            status.state is State.COMPLETE for status in still_in(self._race)
        )

    def _note(self, event: RaceEvent, running: Running) -> None:
        self._speed.add(event, running)
        if isinstance(event, Proposed):
            self._proposed.add(event.trial)
        elif isinstance(event, Extended):
            self._trials, self._spent_before = event.trials, self._race.spent_fold_epochs
        elif isinstance(event, BudgetSpent):
            self._finishing = True
            if event.finalists is None:  # none takes the place of one that fails: no more can be spent
                self._ahead = None

    # ---- before a leg ----

    def now(self, running: Running) -> BudgetAction | None:
        """What the race must take before its next leg starts. running: fold runs under way."""
        if self._time.passed and not self._over:
            return self._end_with_time()
        if self._finishing:
            return None
        free = len(running) < self._bounds.slots
        leg = self._race.next() if free else None
        new = leg.trial if leg is not None and leg.trial not in self._proposed else None
        plan = 0 if new is None else self._race.remaining_fold_epochs(new + 1)
        if not self._fits(plan) or not self._fits(self._finals + len(running) + 1):
            action = self._budget_action(leg, plan, running)
            if action is not None:
                return action
        return self._more(running) if free and (leg is None or leg.speculative) else None

    def _budget_action(self, leg: Leg | None, plan: int, running: Running) -> BudgetAction | None:
        """What is to be done where a limit is near. plan: fold-epochs of the plan up to this leg's trial."""
        now = self._ledger(self._race, running)
        unproposed = [trial for trial in now.unstarted if trial not in self._proposed]
        if now.reserved_unstarted and unproposed and not self._within_fold_epochs(self._race, now.reserved):
            return self._drop_finalists(now, unproposed)
        foreign = leg is not None and not now.is_reserved_for(leg.trial)
        work = now.reserved + foreign
        promised = self._within_fold_epochs(self._race, work)
        in_time = self._time.finish_fits(work, now.kept)
        if promised and self._race.finalists > 1 and not (in_time and self._in_time(plan)):
            return Shortened(self._trials, self._race.finalists - 1)
        fits = promised and (now.reserved_unstarted > 0 or in_time)
        if leg is not None and foreign and leg.trial in unproposed and not (fits and self._fits(plan)):
            return Shortened(leg.trial)
        if fits or not (now.others or now.stopping or foreign):
            return None
        return self._end(by_time=promised)

    def _drop_finalists(self, now: Ledger, unproposed: list[int]) -> BudgetAction:
        """Failures took what the last finalists would have needed."""
        assert self._budget.fold_epochs is not None  # only that limit is a promise
        left = self._budget.fold_epochs - self._race.spent_fold_epochs - now.finish - now.stopping
        still = max(left // self._bounds.full - (len(now.unstarted) - len(unproposed)), 0)
        return Shortened(unproposed[still]) if still < len(unproposed) else self._end(by_time=False)

    def _end(self, by_time: bool) -> BudgetSpent:
        left = self._race.finish_fold_epochs
        if by_time:  # there was a finalist fewer before, down to one
            return BudgetSpent(
                f"{self._time}, {counted(left, 'fold-epoch')} {_more_complete(left)} the best trial", 1
            )
        words = f"{self._race.spent_fold_epochs} of --max-fold-epochs {self._budget.fold_epochs} are spent"
        return BudgetSpent(f"{words}, {left} {_more_complete(left)} the finalists")

    # ---- when time is over ----

    def _end_with_time(self) -> BudgetSpent | None:
        """What is complete is enough; where nothing is, one trial is completed. None before the first epoch
        and where nothing is left to run."""
        alive = still_in(self._race)
        if self._race.done or not any(status.epochs_spent for status in alive):
            return None
        self._over = True
        complete = sum(status.state is State.COMPLETE for status in alive)
        if complete:
            return BudgetSpent(f"{self._time} and {counted(complete, 'trial')} complete", complete)
        left = self._best_lacks()
        more = f"{counted(left, 'fold-epoch')} {_more_complete(left)} the best, in {self._about(left)}"
        return BudgetSpent(f"{self._time} and no trial is complete: {more}", 1)

    def _about(self, fold_epochs: int) -> str:
        seconds = self._time.seconds_of(fold_epochs)
        return f"about {duration_text(seconds)}" if seconds else "a time that is not known yet"

    def _best_lacks(self) -> int:
        """Fold-epochs that complete the trial that leads; 0 where one is complete."""
        best = next(iter(still_in(self._race)), None)
        if best is not None and best.state is State.COMPLETE:
            return 0
        if self._finishing and self._race.finalists == 1:  # one that started again has spent more
            return self._race.finish_fold_epochs
        return max(self._bounds.full - (0 if best is None else best.epochs_spent), 1)

    # ---- more trials ----

    def _more(self, running: Running) -> Extended | None:
        """A cohort more, as large as it may be, where a slot would idle or guess otherwise."""
        size = self._bounds
        least = min(2 * size.finalists, size.cohort)  # fewer would all be finalists, compared with nobody
        room = size.cohort if size.most is None else min(size.cohort, size.most - self._trials)
        if (
            room < least
            or not self._time.measured
            or not self._affords(least)
            or self._last_cohort_spent_nothing()
        ):
            return None
        if not self._fits(self._ledger(self._race, running).with_more(least, size)):
            return None
        low, high = least, room + 1  # low is affordable
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._affords(middle) else (low, middle)
        return Extended(self._trials + low)

    def _affords(self, trials: int) -> bool:
        if trials not in self._plans:
            self._plans[trials] = self._plan(trials)
        left = 0 if self._race.done else self._race.remaining_fold_epochs(self._trials)
        return self._fits(left + self._plans[trials] + self._bounds.slots)

    def _last_cohort_spent_nothing(self) -> bool:
        """Whether the last trials spent nothing: a space in which all fails could be extended without end."""
        return self._race.spent_fold_epochs == self._spent_before

    # ---- what fits ----

    def _ledger(self, race: Race, running: Running) -> Ledger:
        return ledger(race, running, self._bounds)

    @property
    def _finals(self) -> int:
        """Fold-epochs of all finalists from the start."""
        return self._race.finalists * self._bounds.full

    def _fits(self, work: int) -> bool:
        return self._within_fold_epochs(self._race, work) and self._in_time(work)

    def _in_time(self, work: int) -> bool:
        return self._time.fits(work)

    def _within_fold_epochs(self, race: Race, work: int) -> bool:
        limit = self._budget.fold_epochs
        return limit is None or race.spent_fold_epochs + work <= limit


def _goes_on(event: EpochEnded | LegFailed, decisions: Sequence[Decision]) -> bool:
    """Whether the fold run of this event keeps its slot, as the last decision on it says."""
    own = own_decision(FoldRunKey(event.trial, event.fold), decisions)
    return own is not None and own.action is Action.CONTINUE


def _more_complete(fold_epochs: int) -> str:
    """The words between so many fold-epochs and whom they complete."""
    return "more completes" if fold_epochs == 1 else "more complete"

"""Keeps a race within its budget: fewer trials, the finalists alone, or more trials while it lasts.

The limit of fold-epochs is a promise. It is kept with a second race, which takes each event first: where
completing the finalists would no longer fit after it, `BudgetSpent` comes before it. The limit of time is
kept as well as what epochs took so far foretells; the finalists are completed in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from orchestrator.budget.ledger import Ledger, ledger
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
    own_decision,
)
from orchestrator.core.text import counted
from orchestrator.race.contract import Race

Running = Collection[FoldRunKey]
BudgetAction = Shortened | BudgetSpent | Extended
"""Events by which a race is kept within its budget."""


class BudgetController:
    """Asked `before` each event and `now` before each leg; it answers with events for the race.

    ahead: a race in the same state as `race`, the controller's own
    plan: fold-epochs that a race of so many trials plans
    elapsed: seconds since the command began
    proposed: trials that have a configuration
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
    ) -> None:
        self._race, self._budget, self._bounds, self._plan = race, budget, bounds, plan
        self._ahead = None if budget.fold_epochs is None else ahead
        self._speed = EpochSpeed(bounds.slots, elapsed)
        self._proposed = set(proposed)
        self._trials = bounds.trials  # of the race, those that were added included
        self._spent_before = 0  # fold-epochs when the last trials were added
        self._plans: dict[int, int] = {}  # trials -> fold-epochs of a cohort of so many
        self._finishing = False

    def use_slots(self, slots: int) -> None:
        """So many fold runs go on at once from now on."""
        self._bounds = replace(self._bounds, slots=slots)
        self._speed.use_slots(slots)

    # ---- before an event ----

    def before(self, event: RaceEvent, running: Running) -> BudgetSpent | None:
        """What the race must take before this event. running: fold runs under way as it happens."""
        self._note(event, running)
        decisions = [] if self._ahead is None else self._ahead.apply(event)
        if self._ahead is None or not isinstance(event, EpochEnded | LegFailed | Shortened):
            return None  # a shortened race may fill a vacancy with a trial that starts again
        after = set(running)
        if not isinstance(event, Shortened) and not _goes_on(event, decisions):
            after.discard(FoldRunKey(event.trial, event.fold))
        if self._within_fold_epochs(self._ahead, self._bounds.finals + len(after)):
            return None  # whoever the finalists are
        if self._within_fold_epochs(self._ahead, self._ledger(self._ahead, after).to_finish):
            return None
        return self._end(by_time=False)

    def _note(self, event: RaceEvent, running: Running) -> None:
        self._speed.add(event, running)
        if isinstance(event, Proposed):
            self._proposed.add(event.trial)
        elif isinstance(event, Extended):
            self._trials, self._spent_before = event.trials, self._race.spent_fold_epochs
        elif isinstance(event, BudgetSpent):
            self._finishing, self._ahead = True, None

    # ---- before a leg ----

    def now(self, running: Running) -> BudgetAction | None:
        """What the race must take before its next leg starts. running: fold runs under way."""
        if self._finishing:
            return None
        free = len(running) < self._bounds.slots
        leg = self._race.next() if free else None
        new = leg.trial if leg is not None and leg.trial not in self._proposed else None
        planned = new is None or self._fits(self._race.remaining_fold_epochs(new + 1))
        if not planned or not self._fits(self._bounds.finals + len(running) + 1):
            action = self._budget_action(leg, planned, running)
            if action is not None:
                return action
        return self._more(running) if free and (leg is None or leg.speculative) else None

    def _budget_action(self, leg: Leg | None, planned: bool, running: Running) -> BudgetAction | None:
        """What is to be done where a limit is near. planned: whether the plan up to this leg's trial fits."""
        now = self._ledger(self._race, running)
        unproposed = [trial for trial in now.unstarted if trial not in self._proposed]
        if now.reserved_unstarted and unproposed and not self._within_fold_epochs(self._race, now.reserved):
            return self._drop_finalists(now, unproposed)
        foreign = leg is not None and not now.is_reserved_for(leg.trial)
        work = now.reserved + foreign
        promised = self._within_fold_epochs(self._race, work)
        fits = promised and (now.reserved_unstarted > 0 or self._within_time(work, now.kept))
        if leg is not None and foreign and leg.trial in unproposed and not (planned and fits):
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
        verb = "completes" if left == 1 else "complete"
        if by_time and self._budget.seconds is not None:
            gone = duration_text(self._speed.elapsed())
            words = f"{gone} of --time-budget {duration_text(self._budget.seconds)} are over"
            return BudgetSpent(f"{words}, {counted(left, 'fold-epoch')} more {verb} the finalists")
        words = f"{self._race.spent_fold_epochs} of --max-fold-epochs {self._budget.fold_epochs} are spent"
        return BudgetSpent(f"{words}, {left} more {verb} the finalists")

    # ---- more trials ----

    def _more(self, running: Running) -> Extended | None:
        """A cohort more, as large as it may be, where a slot would idle or guess otherwise."""
        size = self._bounds
        least = min(2 * size.finalists, size.cohort)  # fewer would all be finalists, compared with nobody
        room = size.cohort if size.most is None else min(size.cohort, size.most - self._trials)
        if (
            room < least
            or not self._measured
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

    @property
    def _measured(self) -> bool:
        return self._budget.seconds is None or self._speed.knows(self._budget.seconds)

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

    def _fits(self, work: int) -> bool:
        return self._within_fold_epochs(self._race, work) and self._within_time(work)

    def _within_fold_epochs(self, race: Race, work: int) -> bool:
        limit = self._budget.fold_epochs
        return limit is None or race.spent_fold_epochs + work <= limit

    def _within_time(self, work: int, trials: Collection[int] = ()) -> bool:
        """trials: whose work it is; that of any where there are none."""
        limit = self._budget.seconds
        if limit is None or not work or not self._speed.knows(limit):
            return True
        return self._speed.elapsed() + self._speed.seconds_for(work, self._bounds.max_t, trials) <= limit


def _goes_on(event: EpochEnded | LegFailed, decisions: Sequence[Decision]) -> bool:
    """Whether the fold run of this event keeps its slot, as the last decision on it says."""
    own = own_decision(FoldRunKey(event.trial, event.fold), decisions)
    return own is not None and own.action is Action.CONTINUE

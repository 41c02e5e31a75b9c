"""The end of a race whose budget is spent: its finalists go to the end of all folds, the others are out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from orchestrator.core.events import (
    Action,
    BudgetSpent,
    Decision,
    Extended,
    Leg,
    RaceEvent,
    State,
    Widened,
)
from orchestrator.race.bookkeeping import Bookkeeping
from orchestrator.race.contract import TrialStatus
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.rule import Rule
from orchestrator.race.running import RunningRace

FOR_FINALISTS = "the budget is spent and only its finalists go on"


STEPS = (1 / 18, 1 / 6, 1 / 3, 2 / 3, 1.0)
"""Of max_t: where all folds of a finalist wait for each other, so that there is a vote whenever time ends."""


def steps_to(max_t: int) -> list[int]:
    """The epochs at which folds wait for each other."""
    return sorted({max(round(share * max_t), 1) for share in STEPS})


def longest_leg(max_t: int) -> int:
    """Epochs of the longest leg by which finalists complete under a time budget."""
    return max(after - before for before, after in pairwise([0, *steps_to(max_t)]))


class FinalistsOnly(RunningRace):
    """Runs what these trials still lack, the best trial first: all its folds to each of `steps` in turn.

    by_time: time is what there is too little of; else legs go to the end. restarts: where the last finalist
    fails, the best of the others starts again, so that one is complete.
    """

    def __init__(
        self, book: Bookkeeping, finalists: Sequence[int], by_time: bool, restarts: bool = True
    ) -> None:
        super().__init__(book)
        self.finalists, self.restarts = finalists, by_time and restarts
        self._steps = steps_to(self.max_t) if by_time else [self.max_t]

    def next(self) -> Leg | None:
        for trial in self.finalists:
            for end in self._steps if trial not in self.book.final else ():
                for fold in self.fold_order:
                    run = self.runs.get(trial, fold)
                    if not run.running and run.epochs < end:
                        return Leg(trial, fold, run.epochs, end, False, "the budget is for the finalists")
        return None

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        return self.complete_if_full(run)

    def settle(self) -> list[Decision]:
        if not self.restarts or self.alive:
            return []
        return self._take_in(self.book.best_pruned(1, begun=True), "every other finalist failed")

    @property
    def alive(self) -> int:
        """Finalists that did not fail."""
        return sum(not self.book.is_out(trial) for trial in self.finalists)

    def widen(self, event: Widened) -> list[Decision]:
        most = self.book.most_finalists
        if not self.restarts or not self.alive < event.finalists <= most:
            raise ValueError(
                f"the budget is spent and {self.alive} trials are to complete: they cannot become "
                f"{event.finalists}"
            )
        return self._take_in(self.book.best_pruned(event.finalists - self.alive), "there is more time")

    def _take_in(self, trials: Sequence[int], why: str) -> list[Decision]:
        self.finalists = [*self.finalists, *trials]
        return [self.promote(trial, why) for trial in trials]

    def _extended(self, event: Extended) -> None:
        raise ValueError("the budget is spent: the race takes no more trials")

    def refuses_again(self, trial: int) -> str:
        if trial in self.finalists:
            return ""
        return f"{FOR_FINALISTS}: trial {trial} is none of them"

    def tries(self, run: FoldRun, failure: str) -> int:
        """Nobody takes a finalist's place any more."""
        own = 0 if failure == "nan" else self.cfg.max_retries
        return max(own, super().tries(run, failure))


class FinishingRace:
    """A race by a rule until `BudgetSpent`; from then on its finalists alone run, whatever the rule."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.book = rule, rule.book
        self._running: RunningRace = rule  # who decides now
        self._rest: FinalistsOnly | None = None  # once the budget is spent

    @property
    def done(self) -> bool:
        return self._running.done

    def next(self) -> Leg | None:
        return self._running.next()

    def apply(self, event: RaceEvent) -> list[Decision]:
        """Raises ValueError for an event that cannot follow those before it."""
        if isinstance(event, BudgetSpent):
            return self._finish(event)
        return self._running.apply(event)

    def _finish(self, event: BudgetSpent) -> list[Decision]:
        before, book = self._rest, self.book
        restarts = before is None or before.restarts
        if not restarts and event.finalists is None:
            raise ValueError("the budget was spent before")
        if event.finalists is not None and event.finalists > book.runs.trials:
            raise ValueError(f"{event.finalists} trials cannot go on: there are {book.runs.trials}")
        finalists = book.finalists(event.finalists)
        by_time = event.finalists is not None
        self._running = self._rest = rest = FinalistsOnly(book, finalists, by_time, restarts)
        book.leave_queue()
        decisions = []
        for trial in range(book.runs.trials):
            if trial not in book.final and trial not in finalists:
                decisions += rest.prune(trial, event.reason)
        for trial in finalists if before is None else ():
            if trial not in book.final:
                why = f"{event.reason}; goes to the end of all folds"
                decisions.append(Decision(Action.PROMOTE, trial, why))
                # Guesses were there first: no epoch will follow.
                decisions += rest.complete_if_full(book.runs.get(trial, 0))
        return decisions

    # ---- asked ----

    def state(self, trial: int) -> State:
        return self.book.state(trial)

    def status(self, trial: int) -> TrialStatus:
        return self.book.status(trial)

    def epochs_set_aside(self, trial: int) -> list[int]:
        return self.book.epochs_set_aside(trial)

    def statuses(self) -> list[TrialStatus]:
        return self.book.statuses()

    def describe(self) -> str:
        return self.rule.describe()

    @property
    def finalists(self) -> int:
        return self.book.cfg.finalists if self._rest is None else self._rest.alive

    @property
    def most_finalists(self) -> int:
        rest, most = self._rest, self.book.most_finalists
        if rest is None:
            return most
        return min(most, rest.alive + len(self.book.best_pruned(most))) if rest.restarts else rest.alive

    @property
    def planned_fold_epochs(self) -> int:
        if self._rest is not None:
            return self.spent_fold_epochs + self.finish_fold_epochs
        return self.rule.planned_fold_epochs

    def remaining_fold_epochs(self, trials: int) -> int:
        return self.rule.remaining_fold_epochs(trials)

    @property
    def spent_fold_epochs(self) -> int:
        return self.book.runs.total_spent

    @property
    def finish_fold_epochs(self) -> int:
        if self._rest is not None:
            return self.book.left_to_finish(self._rest.finalists)
        return self.book.left_to_finish(self.book.finalists()) + self.rule.fold_epochs_at_risk

"""The end of a race whose budget is spent: its finalists go to the end of all folds, the others are out."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.events import Action, BudgetSpent, Decision, Extended, Leg, RaceEvent, State
from orchestrator.race.bookkeeping import Bookkeeping
from orchestrator.race.contract import TrialStatus
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.rule import Rule
from orchestrator.race.running import RunningRace

FOR_FINALISTS = "the budget is spent and only its finalists go on"


class FinalistsOnly(RunningRace):
    """Runs what these trials still lack, the best trial first, fold by fold."""

    def __init__(self, book: Bookkeeping, finalists: Sequence[int]) -> None:
        super().__init__(book)
        self._finalists = finalists

    def next(self) -> Leg | None:
        for trial in self._finalists:
            for fold in self.fold_order if trial not in self.book.final else ():
                run = self.runs.get(trial, fold)
                if not run.running and run.epochs < self.max_t:
                    return Leg(trial, fold, run.epochs, self.max_t, False, "the budget is for the finalists")
        return None

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        return self.complete_if_full(run)

    def _extended(self, event: Extended) -> None:
        raise ValueError("the budget is spent: the race takes no more trials")

    def refuses_again(self, trial: int) -> str:
        if trial in self._finalists:
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
        self._finalists: Sequence[int] | None = None  # once the budget is spent

    @property
    def done(self) -> bool:
        return self._running.done

    def next(self) -> Leg | None:
        return self._running.next()

    def apply(self, event: RaceEvent) -> list[Decision]:
        """Raises ValueError for an event that cannot follow those before it."""
        if isinstance(event, BudgetSpent):
            return self._finish(event.reason)
        return self._running.apply(event)

    def _finish(self, reason: str) -> list[Decision]:
        if self._finalists is not None:
            raise ValueError("the budget was spent before")
        book = self.book
        self._finalists = book.finalists()
        self._running = rest = FinalistsOnly(book, self._finalists)
        book.leave_queue()
        decisions = []
        for trial in range(book.runs.trials):
            if trial not in book.final and trial not in self._finalists:
                decisions += rest.prune(trial, reason)
        for trial in self._finalists:
            if trial not in book.final:
                why = f"{reason}; goes to the end of all folds"
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
    def planned_fold_epochs(self) -> int:
        return self.rule.planned_fold_epochs

    def remaining_fold_epochs(self, trials: int) -> int:
        return self.rule.remaining_fold_epochs(trials)

    @property
    def spent_fold_epochs(self) -> int:
        return self.book.runs.total_spent

    @property
    def finish_fold_epochs(self) -> int:
        if self._finalists is not None:
            return self.book.left_to_finish(self._finalists)
        return self.book.left_to_finish(self.book.finalists()) + self.rule.fold_epochs_at_risk

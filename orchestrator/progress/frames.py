"""A study's frames, made while it runs: its race is asked no more than it can bear."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from orchestrator.core.events import BudgetSpent, Decision, Event, Extended, FoldRunKey, Shortened, State
from orchestrator.core.text import counted
from orchestrator.progress.state import Activity, Frame, ProgressFigures, StudyContext
from orchestrator.race.contract import Race, TrialStatus

SHARE = 1000  # asking the race for its statuses may take 1/1000 of the time at most
AT_ONCE_S = 0.1  # and so much CPU besides: a few trials are asked at every event, or the last would not show


class Frames:
    """Fed by every event, in one thread; what it gives never changes."""

    def __init__(
        self,
        race: Race,
        study: StudyContext,
        began: float,
        elapsed: Callable[[], float] | None = None,
        timer: Callable[[], float] = time.thread_time,
    ) -> None:
        """race: already past the events of earlier sessions; began: unix seconds; elapsed: seconds since the
        command began; timer: seconds of CPU of the calling thread, to keep what asking costs small. Of CPU,
        because a machine that stood still for a second would else keep the picture old for minutes."""
        self._race, self._study = race, study
        self.activity = Activity(study.slots, study.configs)
        self._timer, self._elapsed, self._began = timer, elapsed, began
        self._finishing, self._goes_on = study.finishing, study.goes_on
        self._finished_at = 0  # fold-epochs spent when the finalists of now are complete
        self._spent_before = race.spent_fold_epochs
        self._began_with = race.planned_fold_epochs
        self._trains_since: float | None = None  # when the first worker had started, or an event came
        self._statuses: tuple[TrialStatus, ...] = ()
        self._asking_s = 0.0  # CPU spent on asking

    def on_event(self, event: Event, decisions: Sequence[Decision], now: float) -> Frame:
        """Takes note of an event the race has already seen. now: unix seconds of the event."""
        if self._trains_since is None:
            self._trains_since = now
        self._finishing = self._finishing or isinstance(event, BudgetSpent)
        self._goes_on = self._goes_on and not isinstance(event, BudgetSpent | Shortened)
        if isinstance(event, Extended | Shortened):
            self._began_with = self._race.planned_fold_epochs
        self.activity.on_event(event, decisions, now)
        return self.at(now, fresh=isinstance(event, BudgetSpent))

    def on_ready(self, key: FoldRunKey, now: float) -> Frame:
        """The worker of a fold run has started. now: unix seconds."""
        if not self.activity.has_epochs and self.activity.all_starting:
            self._trains_since = now  # what starting took says nothing about epochs
        self.activity.on_ready(key, now)
        return self.at(now)

    def at(self, now: float, fresh: bool = False) -> Frame:
        """The frame of now (unix seconds). fresh: the race is asked, whatever that costs."""
        activity = self.activity
        statuses = self._current_statuses(now, fresh)  # first: the progress is of what it says
        return Frame(
            progress=self._progress(now),
            slots=tuple(activity.slots),
            last_statuses=statuses,
            configs=activity.configs,
            decisions=tuple(activity.decisions),
            failures=dict(activity.failures),
            retries=activity.retries,
            last_failure=activity.last_failure,
            varied=activity.varied,
            running=activity.running_trials,
            has_epochs=activity.has_epochs,
            began=self._began,
        )

    def _progress(self, now: float) -> ProgressFigures:
        race = self._race
        done_here = race.spent_fold_epochs - self._spent_before
        took = 0.0 if self._trains_since is None else now - self._trains_since
        under_way = 0.5 * self.activity.busy  # epochs, on the average; matters in the first minutes
        rate = (done_here + under_way) / took if took > 0 and done_here else None
        spent, planned = race.spent_fold_epochs, self._planned()
        chain = min(self.activity.chain(self._study.max_t, race.next() is not None), planned - spent)
        elapsed = now - self._began if self._elapsed is None else self._elapsed()
        chain_s = chain * self.activity.mean_s
        return ProgressFigures(
            spent, planned, race.done, rate, now, chain_s, self._study.budget, elapsed, self._goes_on,
            self._began_with, self._why_other() if race.done else "",
        )  # fmt: skip

    def _why_other(self) -> str:
        """Why a race that is done did not spend what was planned."""
        failed = sum(item.state is State.FAIL for item in self._statuses)
        reasons = [f"{counted(failed, 'trial')} failed"] * bool(failed)
        reasons += ["the budget was spent"] * self._finishing
        return " and ".join(reasons) or "rungs pass on more trials where scores are close, fewer elsewhere"

    def _planned(self) -> int:
        """Fold-epochs in the end: of the plan within the budget, but at least what the finalists take."""
        if self._finishing:
            return self._finished_at
        limit = self._study.budget.fold_epochs
        plan = self._race.planned_fold_epochs
        return max(plan if limit is None else min(plan, limit), self._finished_at)

    def _current_statuses(self, now: float, fresh: bool) -> tuple[TrialStatus, ...]:
        """At most AT_ONCE_S and 1/SHARE of the time go into asking, however many trials there are."""
        if fresh or self._asking_s <= AT_ONCE_S + (now - self._began) / SHARE:
            before = self._timer()
            self._statuses = tuple(self._race.statuses())
            self._finished_at = self._race.spent_fold_epochs + self._race.finish_fold_epochs
            self._asking_s += self._timer() - before
        return self._statuses

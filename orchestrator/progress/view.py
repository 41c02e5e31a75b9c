"""The thin shell around state and drawing: a live picture in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from orchestrator.cli.terminal import Terminal
from orchestrator.core.events import BudgetSpent, Decision, EpochEnded, Event, Shortened
from orchestrator.core.text import counted
from orchestrator.progress.draw import leaderboard_table, picture, with_score_first
from orchestrator.progress.lines import event_lines, leaderboard_lines, progress_line
from orchestrator.progress.state import Activity, Frame, ProgressFigures, StudyContext
from orchestrator.progress.text import clean, duration
from orchestrator.race.contract import Race, TrialStatus

REFRESH_PER_SECOND = 2  # a picture of 16 slots takes 8 ms to draw
LINE_EVERY_S = 10.0
SHARE = 20  # asking the race for its statuses may take 1/20 of the time at most
BOARD_ROWS = 8


class StudyView:
    """Shows a study while it runs: `with view:` around it, `on_event` for every event, in one thread."""

    def __init__(
        self,
        race: Race,
        study: StudyContext,
        *,
        elapsed: Callable[[], float] | None = None,
        console: Console | None = None,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        """race: already past the events of earlier sessions; elapsed: seconds since the command began; clock:
        unix seconds; timer: seconds, to keep what drawing costs small."""
        self._race = race
        self._study = study
        self._activity = Activity(study.slots, study.configs)
        # A notebook gets lines of text, as a log does: rich would make a block of HTML of each.
        self._console = console or Terminal(highlight=False, force_jupyter=False)
        self._clock = clock
        self._timer = timer
        self._elapsed = elapsed
        self._finishing, self._goes_on = study.finishing, study.goes_on
        self._finished_at = 0  # fold-epochs spent when the finalists of now are complete
        self._spent_before = race.spent_fold_epochs
        self._started: float | None = None
        self._statuses: tuple[TrialStatus, ...] = ()
        self._ask_again = 0.0
        self._last_line = 0.0
        self._live: Live | None = None
        self._lost_output = False
        self._frame = self._make_frame(clock())

    # ---- from its driver ----

    def on_event(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        """Takes note of an event the race has already seen. now: unix seconds of the event."""
        if self._started is None:
            self._started = self._last_line = now
        self._finishing = self._finishing or isinstance(event, BudgetSpent)
        self._goes_on = self._goes_on and not isinstance(event, BudgetSpent | Shortened)
        self._activity.on_event(event, decisions, now)
        self._frame = self._make_frame(now, fresh=isinstance(event, BudgetSpent))
        if self._live is None:
            for line in event_lines(event, decisions, self._study.metric):
                self._line(line, now)
            due = now - self._last_line >= LINE_EVERY_S and not self._race.done  # the end has its own line
            if isinstance(event, EpochEnded) and due:
                self._last_line = now
                self._frame = self._make_frame(now, fresh=True)
                self._line(progress_line(self._frame, self._study.metric, now), now)

    def message(self, text: str) -> None:
        """A line of its own, above the picture where there is one."""
        if self._live is None:
            self._line(clean(text), self._clock())
        else:
            self._console.print(Text(text))

    # ---- shown ----

    def render(self) -> RenderableType:
        """The picture now. Any thread may ask: a frame never changes once it is made."""
        return picture(self._frame, self._study, self._clock(), self._console.height)

    def __enter__(self) -> StudyView:
        study = self._study
        slots = counted(len(self._activity.slots), "slot")
        word = "resumed" if study.resumed else "started"
        line = (
            f"{word} {clean(study.name)}: {clean(study.metric)} ({study.mode}), "
            f"{slots}, {self._race.planned_fold_epochs} fold-epochs planned"
        )
        self._line(line, self._clock())
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self.render,
                console=self._console,
                refresh_per_second=REFRESH_PER_SECOND,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        now = self._clock()
        self._frame = self._make_frame(now, fresh=True)
        if self._started is not None:
            self._summary(now, as_table=live is not None)

    def _summary(self, now: float, as_table: bool) -> None:
        statuses = [item for item in with_score_first(self._frame.statuses) if item.score is not None]
        statuses = statuses[:BOARD_ROWS]
        if as_table and statuses:
            self._console.print(leaderboard_table(statuses, self._frame.configs, self._study.metric))
        else:
            for line in leaderboard_lines(statuses, self._frame.configs, self._study.metric):
                self._line(line, now)
        took = duration(now - (now if self._started is None else self._started))
        self._line(f"{progress_line(self._frame, self._study.metric, now)}, {took} in this run", now)

    # ---- inside ----

    def _make_frame(self, now: float, fresh: bool = False) -> Frame:
        activity = self._activity
        statuses = self._current_statuses(fresh)  # first: the progress is of what it says
        return Frame(
            progress=self._progress(now),
            slots=tuple(activity.slots),
            last_statuses=statuses,
            configs=activity.configs,
            decisions=tuple(activity.decisions),
            failures=dict(activity.failures),
            retries=activity.retries,
            last_failure=activity.last_failure,
        )

    def _progress(self, now: float) -> ProgressFigures:
        race = self._race
        done_here = race.spent_fold_epochs - self._spent_before
        took = 0.0 if self._started is None else now - self._started
        under_way = 0.5 * self._activity.busy  # epochs, on the average; matters in the first minutes
        rate = (done_here + under_way) / took if took > 0 and done_here else None
        spent, planned = race.spent_fold_epochs, self._planned()
        chain = min(self._activity.chain(self._study.max_t, race.next() is not None), planned - spent)
        elapsed = 0.0 if self._elapsed is None else self._elapsed()
        chain_s = chain * self._activity.mean_s
        return ProgressFigures(
            spent, planned, race.done, rate, now, chain_s, self._study.budget, elapsed, self._goes_on
        )

    def _planned(self) -> int:
        """Fold-epochs in the end: of the plan within the budget, but at least what the finalists take."""
        if self._finishing:
            return self._finished_at
        limit = self._study.budget.fold_epochs
        plan = self._race.planned_fold_epochs
        return max(plan if limit is None else min(plan, limit), self._finished_at)

    def _current_statuses(self, fresh: bool) -> tuple[TrialStatus, ...]:
        """At most 1/SHARE of the time goes into asking, however many trials there are."""
        before = self._timer()
        if fresh or before >= self._ask_again:
            self._statuses = tuple(self._race.statuses())
            self._finished_at = self._race.spent_fold_epochs + self._race.finish_fold_epochs
            after = self._timer()
            self._ask_again = after + SHARE * (after - before)
        return self._statuses

    def _line(self, text: str, now: float) -> None:
        if self._lost_output:
            return
        stamp = time.strftime("%H:%M:%S", time.localtime(now))
        try:
            self._console.print(f"{stamp} {text}", markup=False, highlight=False, emoji=False, soft_wrap=True)
        except OSError:
            # The terminal is gone or the log's disk is full. The study goes on: its journal says everything.
            self._lost_output = True

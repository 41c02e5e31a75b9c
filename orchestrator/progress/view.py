"""The thin shell around state and drawing: a live picture in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console

from orchestrator.cli.terminal import Terminal, print_wrapped
from orchestrator.core.events import Decision, EpochEnded, Event, FoldRunKey
from orchestrator.core.text import counted
from orchestrator.progress.board import blocks, board
from orchestrator.progress.draw import Drawer
from orchestrator.progress.frames import Frames
from orchestrator.progress.layout import Line
from orchestrator.progress.lines import event_lines, leaderboard_lines, progress_line
from orchestrator.progress.screen import Lines, Screen
from orchestrator.progress.state import StudyContext
from orchestrator.progress.text import clean, duration
from orchestrator.race.contract import Race, TrialStatus

LINE_EVERY_S = 10.0
BOARD_ROWS = 8  # of a log file, and at least so many of a terminal


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
        timer: Callable[[], float] = time.thread_time,
    ) -> None:
        """race: already past the events of earlier sessions; elapsed: seconds since the command began; clock:
        unix seconds; timer: seconds of CPU of this thread, to keep what asking costs small."""
        self._race = race
        self._study = study
        # A notebook gets lines of text, as a log does: rich would make a block of HTML of each.
        self._console = console or Terminal(highlight=False, force_jupyter=False)
        self._clock = clock
        self._started: float | None = None
        self._last_line = 0.0
        self._screen: Screen | None = None
        self._lost_output = False
        self._drawer = Drawer(study)
        began = clock()
        self._frames = Frames(race, study, began, elapsed, timer)
        self._frame = self._frames.at(began)

    # ---- from its driver ----

    def on_event(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        """Takes note of an event the race has already seen. now: unix seconds of the event."""
        if self._started is None:
            self._started = self._last_line = now
        self._frame = self._frames.on_event(event, decisions, now)
        if self._screen is None:
            for line in event_lines(event, decisions, self._study.metric):
                self._line(line, now)
            due = now - self._last_line >= LINE_EVERY_S and not self._race.done  # the end has its own line
            if isinstance(event, EpochEnded) and due:
                self._last_line = now
                self._frame = self._frames.at(now, fresh=True)
                self._line(progress_line(self._frame, self._study.metric, now), now)

    def on_ready(self, key: FoldRunKey, now: float) -> None:
        """The worker of a fold run has started. now: unix seconds."""
        self._frame = self._frames.on_ready(key, now)

    def message(self, text: str) -> None:
        """A line of its own, above the picture where there is one."""
        if self._screen is None:
            self._line(clean(text), self._clock())
        else:
            print_wrapped(self._console, text)

    # ---- shown ----

    def lines(self) -> list[Line]:
        """The picture now. A frame never changes once it is made: one other thread may ask."""
        console = self._console
        return self._drawer.lines(self._frame, self._clock(), console.width, console.height)

    def __enter__(self) -> StudyView:
        study = self._study
        slots = counted(len(self._frame.slots), "slot")
        word = "resumed" if study.resumed else "started"
        line = (
            f"{word} {clean(study.name)}: {clean(study.metric)} ({study.mode}), "
            f"{slots}, {self._race.planned_fold_epochs} fold-epochs planned"
        )
        self._line(line, self._clock())
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._screen = Screen(self._console, self.lines)
            self._screen.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        screen, self._screen = self._screen, None
        if screen is not None:
            screen.__exit__(kind, error, traceback)
        now = self._clock()
        self._frame = self._frames.at(now, fresh=True)
        if self._started is not None:
            self._summary(now, as_table=screen is not None)

    def _summary(self, now: float, as_table: bool) -> None:
        frame, metric = self._frame, self._study.metric
        statuses = [item for item in frame.statuses if item.score is not None]
        if as_table and statuses:
            width, rows = self._console.width, max(self._console.height - 12, BOARD_ROWS)
            self._console.print(Lines(self._final_board(statuses, width, rows)), end="")
        else:
            first = [item for block in blocks(statuses) for item in block.trials][:BOARD_ROWS]
            for line in leaderboard_lines(first, frame.configs, metric, frame.varied):
                self._line(line, now)
            if len(statuses) > len(first):
                self._line(f"leaderboard: {len(statuses) - len(first)} more trials in the study's files", now)
        took = duration(now - (now if self._started is None else self._started))
        self._line(f"{progress_line(frame, metric, now)}, {took} in this run", now)

    def _final_board(self, statuses: Sequence[TrialStatus], width: int, rows: int) -> list[Line]:
        frame, study = self._frame, self._study
        return board(statuses, frame.configs, frame.varied, study.metric, study.folds, width, rows)

    # ---- inside ----

    def _line(self, text: str, now: float) -> None:
        if self._lost_output:
            return
        stamp = time.strftime("%H:%M:%S", time.localtime(now))
        try:
            print_wrapped(self._console, f"{stamp} {text}")
        except OSError:
            # The terminal is gone or the log's disk is full. The study goes on: its journal says everything.
            self._lost_output = True

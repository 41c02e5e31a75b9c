"""A bar and a clock for one long step: starting Ray, reading rows, decoding images, predicting.

A step says what it does; until it says how far it is, a clock shows for how long it does so. Steps may lie
inside each other: the innermost is shown.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.terminal import Terminal, last_line
from orchestrator.core.callbacks import Progress as Callback
from orchestrator.progress.text import clean, duration

QUIET_S = 1.0
LINE_EVERY_S = 5.0
TICK_S = 0.25
SURE_S = 2.0  # a time left is a guess before

Told = Callable[[str, int, int], None]
"""Called as told(what is done, done, total); both numbers are 0 as it begins, and equal as it ends."""

_TOLD: ContextVar[Told | None] = ContextVar("told_of_steps", default=None)
_INNERMOST: ContextVar[_Bar | None] = ContextVar("innermost_step", default=None)


@contextmanager
def hidden_bars(told: Told | None = None) -> Iterator[None]:
    """No bar is shown inside: for programs that asked for no progress. told: hears of the steps instead."""
    before = _TOLD.set(told or _tell_nobody)
    try:
        yield
    finally:
        _TOLD.reset(before)


@contextmanager
def progress_bar(
    description: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callback]:
    """Gives a callable (done, total). On stderr: in a terminal a clock, and a bar with the time left once a
    basis for one is there; else a line every few seconds; nothing for a step of under about a second."""
    if (told := _TOLD.get()) is not None:
        yield from _told_step(clean(description), told)
        return
    outer = _INNERMOST.get()
    bar = _Bar(clean(description), console or Terminal(stderr=True), clock)
    if outer is not None:
        outer.hide()
    before = _INNERMOST.set(bar)
    try:
        bar.open()
        with last_line(bar):
            yield bar.update
    finally:
        bar.close()
        _INNERMOST.reset(before)
        if outer is not None:
            outer.show_again()


def _told_step(description: str, told: Told) -> Iterator[Callback]:
    told(description, 0, 0)
    last = (0, 0)

    def update(done: int, total: int) -> None:
        nonlocal last
        last = (done, total)
        told(description, done, total)

    yield update
    if last[0] < last[1] or not last[1]:
        told(description, max(last[1], 1), max(last[1], 1))


def _tell_nobody(description: str, done: int, total: int) -> None:
    """For programs that want to hear nothing."""


class _Bar:
    """Written to by its step and by a thread that keeps its clock going."""

    def __init__(self, description: str, console: Console, clock: Callable[[], float]) -> None:
        self._description = description
        self._console = console
        self._clock = clock
        self._started = clock()
        self._in_terminal = console.is_terminal and not console.is_dumb_terminal
        self._live: Live | None = None
        self._last_line: float | None = None
        self._wait = LINE_EVERY_S  # until the next line of a step that does not say how far it is
        self._last = (0, 0)
        self._hidden = self._was_hidden = False
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_ticking, name="progress", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def update(self, done: int, total: int) -> None:
        with self._lock:
            self._last = (done, total)
            self._show(self._clock())

    def tick(self) -> None:
        """Shows the time that has passed since; called again and again."""
        with self._lock:
            if not self._closed.is_set():
                self._show(self._clock())

    def hide(self) -> None:
        """Gives the line to a step inside this one."""
        with self._lock:
            self._hidden = self._was_hidden = True
            self._stop_live(keeps_line=False)

    def show_again(self) -> None:
        with self._lock:
            self._hidden = False

    @contextmanager
    def aside(self, console: Console) -> Iterator[None]:
        """Takes the line away while another console prints: Rich writes past a live line of a console that
        is not its own, and the two would share a row of the screen."""
        if console is self._console or not console.is_terminal:
            yield
            return
        with self._lock:
            shown = self._live is not None
            self._stop_live(keeps_line=False)
            yield
            if shown:
                self._draw(self._clock())

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            took = self._clock() - self._started
            if self._was_hidden:  # the steps inside have their own lines
                self._stop_live(keeps_line=False)
            elif self._live is not None:
                self._live.update(self._line_of(f"took {duration(took)}"))
                self._stop_live(keeps_line=True)
            elif self._last_line is not None or (
                not self._in_terminal and self._is_at_end and took >= QUIET_S
            ):
                self._line(f"{self._counts()}took {duration(took)}")
        if self._thread.is_alive():
            self._thread.join()  # one that still ran while Python ends could abort the process

    def _keep_ticking(self) -> None:
        self._closed.wait(QUIET_S)
        while not self._closed.wait(TICK_S):
            self.tick()

    def _show(self, now: float) -> None:
        if now - self._started < QUIET_S or self._hidden:
            return
        if self._in_terminal:
            self._draw(now)
        elif not self._was_hidden and not self._is_at_end and self._is_line_due(now):
            # The steps inside have lines of their own, and so has the end.
            self._last_line = now
            self._line(f"{self._counts()}{self._left(now)}")

    @property
    def _is_at_end(self) -> bool:
        return self._last[0] >= self._last[1] > 0

    def _is_line_due(self, now: float) -> bool:
        if self._last_line is None:
            return True
        if self._last[1]:
            return now - self._last_line >= LINE_EVERY_S
        if now - self._last_line < self._wait:
            return False
        self._wait *= 2  # a log file needs no clock
        return True

    def _draw(self, now: float) -> None:
        if self._live is None:
            # What is printed meanwhile goes above the line, but not where it does not go to the terminal.
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            self._live.start()
        self._live.update(self._line_of(self._left(now)), refresh=True)

    def _stop_live(self, keeps_line: bool) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.transient = not keeps_line
            live.stop()

    def _line_of(self, end: str) -> Table | Text:
        """end: the time left, or taken."""
        done, total = self._last
        if not total:
            return Text(f"{self._description}: {end}", no_wrap=True, overflow="ellipsis")
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True, overflow="ellipsis")
        grid.add_column()
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, min_width=8)
        bar = ProgressBar(total=total, completed=done, width=min(40, max(self._console.width - 55, 5)))
        grid.add_row(Text(self._description), bar, Text(f"{done}/{total}"), Text(end))
        return grid

    def _counts(self) -> str:
        done, total = self._last
        return f"{done}/{total} ({done / total:.0%}), " if total else ""

    def _left(self, now: float) -> str:
        """The time left where that is known, else the time so far."""
        done, total = self._last
        so_far = now - self._started
        if not done or not total or self._is_at_end or (self._in_terminal and so_far < SURE_S):
            return f"{duration(so_far)} so far"
        return f"{duration(so_far * (total - done) / done)} left"

    def _line(self, text: str) -> None:
        self._console.print(Text(f"{self._description}: {text}"), soft_wrap=True)

"""A bar for one long step: making data, decoding images, predicting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from orchestrator.cli.terminal import Terminal
from orchestrator.core.callbacks import Progress as Callback
from orchestrator.progress.text import clean, duration

QUIET_S = 1.0
LINE_EVERY_S = 5.0
_HIDDEN: ContextVar[bool] = ContextVar("hidden_bars", default=False)


@contextmanager
def hidden_bars() -> Iterator[None]:
    """No bar is shown inside: for programs that asked for no progress."""
    before = _HIDDEN.set(True)
    try:
        yield
    finally:
        _HIDDEN.reset(before)


@contextmanager
def progress_bar(
    description: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callback]:
    """Gives a callable (done, total). On stderr: a bar with the time left in a terminal, else a line every
    few seconds; nothing for a step of under about a second."""
    if _HIDDEN.get():
        yield lambda done, total: None
        return
    bar = _Bar(clean(description), console or Terminal(stderr=True), clock)
    try:
        yield bar.update
    finally:
        bar.close()


class _Bar:
    def __init__(self, description: str, console: Console, clock: Callable[[], float]) -> None:
        self._description = description
        self._console = console
        self._clock = clock
        self._started = clock()
        self._in_terminal = console.is_terminal and not console.is_dumb_terminal
        self._progress: Progress | None = None
        self._last_line: float | None = None
        self._last = (0, 0)

    def update(self, done: int, total: int) -> None:
        now = self._clock()
        self._last = (done, total)
        if now - self._started < QUIET_S:
            return
        if self._in_terminal:
            self._draw(done, total, now)
        elif self._last_line is None or now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            self._line(f"{self._counts()}, {self._left(now)}")

    def close(self) -> None:
        took = duration(self._clock() - self._started)
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], left=f"took {took}")
            self._progress.stop()
        elif self._last_line is not None:
            self._line(f"{self._counts()}, took {took}")

    def _draw(self, done: int, total: int, now: float) -> None:
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}", markup=False),
                TextColumn("{task.fields[left]}", markup=False),
                console=self._console,
                refresh_per_second=4,
            )
            self._progress.add_task(self._description, total=total, left="")
            self._progress.start()
        task = self._progress.task_ids[0]
        self._progress.update(task, completed=done, total=total, left=self._left(now))

    def _counts(self) -> str:
        done, total = self._last
        return f"{done}/{total} ({done / total:.0%})" if total else f"{done}"

    def _left(self, now: float) -> str:
        done, total = self._last
        return f"{duration((now - self._started) * (total - done) / done)} left" if done else "just begun"

    def _line(self, text: str) -> None:
        self._console.print(Text(f"{self._description}: {text}"), soft_wrap=True)

"""A terminal that shows lines again and again, and writes only when one of them has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.segment import Segment

from orchestrator.progress.layout import Line

REFRESH_S = 0.25
SLOWEST_S = 1.0  # the clock in the picture shows seconds
SHARE = 0.008  # of a core, that drawing may take; what events cost comes on top


PLAIN = str.maketrans({"━": "=", "╸": "=", "─": "-", "…": "."})
"""For a terminal whose encoding lacks them."""


class Lines:
    """Lines as rich prints them."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        plain = not options.encoding.startswith("utf")
        for line in self.lines:
            for part in line:
                text = part.text.translate(PLAIN) if plain else part.text
                yield Segment(text, console.get_style(part.style) if part.style else None)
            yield Segment.line()


class Screen:
    """Shows what `lines` answers until it is left; `with` around it. The picture goes away at the end."""

    def __init__(
        self,
        console: Console,
        lines: Callable[[], Sequence[Line]],
        timer: Callable[[], float] = time.thread_time,
    ) -> None:
        """timer: seconds of CPU of the calling thread."""
        self._console, self._lines, self._timer = console, lines, timer
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._shown: Sequence[Line] = ()
        self._size = (0, 0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_drawing, name="screen", daemon=True)

    def __enter__(self) -> Screen:
        self._live.start()
        self.draw()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._live.stop()

    def draw(self) -> float:
        """Draws what is new. Seconds until it is worth to do so again, so that it takes SHARE of a core."""
        before = self._timer()
        lines, size = self._lines(), (self._console.width, self._console.height)
        if lines != self._shown or size != self._size:
            self._shown, self._size = lines, size
            self._live.update(Lines(lines), refresh=True)
        took = self._timer() - before
        return min(max(took / SHARE, REFRESH_S), SLOWEST_S)

    def _keep_drawing(self) -> None:
        wait = REFRESH_S
        while not self._over.wait(wait):
            try:
                wait = self.draw()
            except OSError:
                return  # the terminal is gone; the study goes on, and its journal says everything

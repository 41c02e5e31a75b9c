"""The one door to the terminal for text from data: what would steer the terminal is shown instead."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, NoReturn, Protocol

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from orchestrator.core.text import shown


class LastLine(Protocol):
    """A line that a console of its own keeps drawn anew below all others."""

    def aside(self, console: Console) -> AbstractContextManager[None]:
        """It is off the screen inside, for what `console` writes; its own writes round it anyway."""
        ...


_LAST_LINE: ContextVar[LastLine | None] = ContextVar("last_line", default=None)


@contextlib.contextmanager
def last_line(line: LastLine | None) -> Iterator[None]:
    """What every `Terminal` prints inside goes above this line, on whichever stream it is."""
    before = _LAST_LINE.set(line)
    try:
        yield
    finally:
        _LAST_LINE.reset(before)


class Terminal(Console):
    """A console that writes no control character but its own: colours, and the moves of a live view.

    Nor does it write a picture for what stands between two colons, as in a class called 1:100:5.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"emoji": False, **options})

    def print(self, *objects: Any, **options: Any) -> None:
        line = _LAST_LINE.get()
        with contextlib.nullcontext() if line is None else line.aside(self):
            super().print(*objects, **options)

    def on_broken_pipe(self) -> NoReturn:
        """Called inside an `except BrokenPipeError`, which is the business of the command's own end."""
        self.quiet = True
        raise

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)


def print_wrapped(console: Console, text: str) -> None:
    """A sentence: in a terminal it is wrapped between words, and goes on two cells in.

    A command stays one line, for the terminal to wrap, because people copy it; so does a log file's line.
    """
    is_command = "python -m " in text
    if not console.is_terminal or is_command or cell_len(text) <= console.width:
        console.print(Text(text), soft_wrap=True, highlight=False)
        return
    indent = " " * (len(text) - len(text.lstrip()))
    first, *rest = Text(shown(text)).wrap(console, console.width)
    console.print(first, soft_wrap=True, highlight=False)
    if rest:
        left = Text(" ").join(Text(line.plain.strip()) for line in rest)
        for line in left.wrap(console, max(console.width - len(indent) - 2, 1)):
            console.print(Text(f"{indent}  {line.plain.rstrip()}"), soft_wrap=True, highlight=False)


class _Shown(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


def log_warnings() -> None:
    """Lets warnings of this program and its libraries reach standard error, through the same door."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Shown("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])

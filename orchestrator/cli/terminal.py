"""The one door to the terminal for text from data: what would steer the terminal is shown instead."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from orchestrator.core.text import shown


class Terminal(Console):
    """A console that writes no control character but its own: colours, and the moves of a live view."""

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

"""A command that speaks to a program: events on standard output and nothing else there."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

from rich.console import Console

from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import OrchestratorError
from orchestrator.progress.bar import hidden_bars
from orchestrator.progress.json_events import JsonLines


@contextlib.contextmanager
def telling_steps_and_errors(lines: JsonLines) -> Iterator[None]:
    """Long steps are events; so is what goes to standard error as a line when it is raised."""
    with hidden_bars(lines.step):
        try:
            yield
        except (OrchestratorError, OSError) as error:
            lines.write("error", text=str(error))
            raise


def message_terminal(lines: JsonLines) -> Console:
    """What is printed on it becomes messages, so wide that no line is wrapped."""
    return Terminal(file=_Messages(lines), width=10_000, highlight=False, force_terminal=False)


class _Messages(io.StringIO):
    """A file whose lines are messages."""

    def __init__(self, lines: JsonLines) -> None:
        super().__init__()
        self._lines, self._begun = lines, ""

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            if line.strip():
                self._lines.message(line.rstrip())
        return len(text)

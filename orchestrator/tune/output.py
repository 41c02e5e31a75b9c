"""How `tune` speaks: to a person, to nobody until it is over (--quiet), or to a program (--json)."""

from __future__ import annotations

import contextlib
import shlex
from functools import partial
from typing import TYPE_CHECKING, Protocol

from rich.console import Console

from orchestrator.cli.terminal import Terminal, print_wrapped
from orchestrator.core.text import counted
from orchestrator.progress import EventListener, JsonLines, JsonView, hidden_bars
from orchestrator.progress.for_programs import message_terminal, telling_steps_and_errors
from orchestrator.tune.request import Request, Result
from orchestrator.tune.run import run_search

if TYPE_CHECKING:
    from orchestrator.report.ending import Ending


class Output(Protocol):
    """One way to speak."""

    @property
    def console(self) -> Console:
        """For what prints lines of its own once the search is over."""
        ...

    def search(self, request: Request, trackers: contextlib.ExitStack) -> Result:
        """`run_search`, heard; raises what it raises. trackers: as there."""
        ...

    def result(self, result: Result) -> None: ...

    def next_step(self, result: Result, ending: Ending) -> None:
        """The last line of all."""
        ...

    def interrupted(self, command: str) -> None:
        """command: how to go on."""
        ...


def output_of(request: Request) -> Output:
    if request.json:
        return ForPrograms(JsonLines())
    return Quiet() if request.quiet else ForPeople()


class ForPeople:
    """Lines and a live view on standard output, bars on standard error."""

    def __init__(self, console: Console | None = None) -> None:
        self.console: Console = console or Terminal(highlight=False)

    def search(self, request: Request, trackers: contextlib.ExitStack) -> Result:
        return run_search(request, say=self._say, trackers=trackers)

    def result(self, result: Result) -> None:
        for line in result_lines(result):
            self._say(line)

    def next_step(self, result: Result, ending: Ending) -> None:
        self._say(ending.next_line(next_command(result)))

    def interrupted(self, command: str) -> None:
        self._say("interrupted; everything finished is saved. Continue with:")
        self._say(f"  {command}")

    def _say(self, text: str) -> None:
        print_wrapped(self.console, text)


class Quiet(ForPeople):
    """What failed and what came of it, once the search is over."""

    def search(self, request: Request, trackers: contextlib.ExitStack) -> Result:
        with hidden_bars():
            return run_search(
                request, say=_nothing, listener=EventListener(), conclude=self._say, trackers=trackers
            )


class ForPrograms:
    """Events on standard output and nothing else there."""

    def __init__(self, lines: JsonLines) -> None:
        self._lines = lines
        self.console: Console = message_terminal(lines)

    def search(self, request: Request, trackers: contextlib.ExitStack) -> Result:
        with telling_steps_and_errors(self._lines):
            view = partial(JsonView, out=self._lines)
            return run_search(request, say=self._lines.message, view=view, trackers=trackers)

    def result(self, result: Result) -> None:
        best, found = result.complete[0], result.confidence_set
        self._lines.write(
            "result",
            study=result.study,
            trial=best.number,
            score=best.score,
            fold_scores=[item.score for item in best.bests],
            complete_trials=[item.number for item in result.complete],
            confidence_set=found.trials,
            confidence_level=found.level,
            seconds=result.seconds,
            next=next_command(result),
        )

    def next_step(self, result: Result, ending: Ending) -> None:
        """It is a field of the result."""

    def interrupted(self, command: str) -> None:
        self._lines.write("interrupted", next=command)


def result_lines(result: Result) -> list[str]:
    best, found = result.complete[0], result.confidence_set
    folds = ", ".join(f"{item.score:.4f}" for item in best.bests)
    return [
        f"best: trial {best.number}, {best.score:.4f} (folds {folds}), "
        f"{counted(len(result.complete), 'complete trial')} in {result.seconds / 60:.1f} min",
        f"{found.level:.0%} confidence set of the best: {found}",
        f"study: {result.study}",
    ]


def next_command(result: Result) -> str:
    return shlex.join(["python", "-m", "orchestrator.ensemble", "--study", str(result.study)])


def _nothing(text: str) -> None:
    """Nobody wants to hear it before the search is over."""

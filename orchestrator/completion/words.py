"""What can be typed after each command, read from the commands' own parsers. Loads no library."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.commands import COMMANDS
from orchestrator.core.text import on_one_line

STUDY = "study"
FILE = "file"
OTHER = "other"
_STUDIES = ("study", "name", "names", "others", "compare")
"""Names of values that are names of studies."""


@dataclass(frozen=True)
class Option:
    name: str  # --study
    help: str
    takes: str  # "" a flag, STUDY, FILE, OTHER: something that nobody can foresee
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Words:
    """path: the command, or the command and its sub-command."""

    path: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    subcommands: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()  # of what stands by itself
    takes_studies: bool = False  # by themselves


def all_words() -> list[Words]:
    """Of every command, in the order in which help lists them, each followed by its sub-commands."""
    found: list[Words] = []
    for command, line in COMMANDS.items():
        parser = importlib.import_module(f"orchestrator.{command}.__main__").parser()
        found += _words((command,), line, parser)
    return found


def _words(path: tuple[str, ...], line: str, parser: argparse.ArgumentParser) -> Iterator[Words]:
    inner = [item for item in parser._actions if isinstance(item, argparse._SubParsersAction)]
    subs = {name: sub for action in inner for name, sub in action.choices.items()}
    shown = [item for item in parser._actions if item.help is not argparse.SUPPRESS]
    own = [item for item in shown if not item.option_strings and item not in inner]
    yield Words(
        path,
        line,
        tuple(option for item in shown for option in _options(item)),
        tuple(subs),
        tuple(str(choice) for item in own for choice in item.choices or ()),
        any(item.dest in _STUDIES for item in own),
    )
    for name, sub in subs.items():
        yield from _words((*path, name), (sub.description or "").split(". ")[0], sub)


def _options(action: argparse.Action) -> Iterator[Option]:
    long = [name for name in action.option_strings if name.startswith("--")]
    for name in long:
        yield Option(
            name, on_one_line(str(action.help or "")), _takes(action), tuple(map(str, action.choices or ()))
        )


def _takes(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.dest in _STUDIES:
        return STUDY
    is_path = action.type is Path or action.metavar in ("DIR", "FILE", "MANIFEST") or action.dest == "space"
    return FILE if is_path else OTHER

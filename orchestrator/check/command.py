"""What the command `check` does once its options are read.

The space is taken at its full scale unless --scale says otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.check.checking import CheckedSearch, check_images, check_settings
from orchestrator.check.gathering import look_at_data, look_at_study
from orchestrator.check.preview import draw_preview
from orchestrator.check.reporting import report
from orchestrator.check.stage_groups import refuse_groups_file
from orchestrator.cli.terminal import Terminal
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import InputError, StorageError
from orchestrator.core.text import counted
from orchestrator.core.trainable import Parameter, current_name
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.dataset import size
from orchestrator.inputs.embeddings import refuse_missing_weights
from orchestrator.inputs.rows import DEMO_NAME
from orchestrator.space import SearchSpace
from orchestrator.space.loading import load_space, parse_settings, resolve_space


def run(arguments: argparse.Namespace) -> int:
    """1 where something must be mended, else 0. Raises InputError for the first thing that a search would
    refuse, StorageError."""
    console = Terminal(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    lines: list[str] = []

    def say(text: str) -> None:
        console.print(text, markup=False)
        lines.append(text)

    refuse_missing_weights(arguments.pretrained)
    refuse_groups_file(arguments.write_groups, arguments.use_suggestion)
    if arguments.space is None:
        return _check_data(arguments, lines, say, console)
    return _check_search(arguments, lines, say, console)


def _check_data(arguments: argparse.Namespace, lines: list[str], say: Announce, console: Console) -> int:
    """Without a space."""
    if arguments.data is None:
        raise InputError("check needs --data, --space or both; with --space alone it looks at the demo faces")
    for option in ("augmentations", "set"):
        if getattr(arguments, option):
            raise InputError(f"--{option} needs --space, whose parameters it is about")
    look = look_at_data(_options(arguments), arguments, say)
    return report(look, str(arguments.data), "", lines, console)


def _check_search(arguments: argparse.Namespace, lines: list[str], say: Announce, console: Console) -> int:
    if arguments.target is not None:
        raise InputError("--target goes without --space: a space has its own target")
    path = resolve_space(arguments.space)
    space = load_space(path).at_scale(arguments.scale).narrowed(parse_settings(arguments.set))
    say(f"space: {path}, scale {arguments.scale}: {size(space)}")
    found = check_settings(space, _options(arguments), arguments.seed, say)
    console.print(_table(space, found.accepted))
    fixed = [f"{name}={domain}" for name, domain in space.domains.items() if name not in space.varied()]
    say(f"fixed: {', '.join(fixed) or 'nothing'}")
    # What is odd is told first: a search refuses files that cannot be read, and so does what comes after.
    code = report(
        look_at_study(found.data, arguments, say), arguments.data or DEMO_NAME, str(path), lines, console
    )
    check_images(space, found, say)
    _draw(arguments, space, found, say)
    return code


def _draw(arguments: argparse.Namespace, space: SearchSpace, found: CheckedSearch, say: Announce) -> None:
    if arguments.augmentations is not None:
        _write(arguments.augmentations, draw_preview(space, found.dataset, arguments.rows, arguments.seed))
        say(f"images: {arguments.augmentations}")


def _options(arguments: argparse.Namespace) -> DataOptions:
    return DataOptions(
        arguments.data,
        path_column=arguments.path_column,
        images=arguments.images,
        suffix=arguments.suffix,
        labels=arguments.labels,
        class_pattern=arguments.class_pattern,
        group_pattern=arguments.group_pattern,
        data_root=arguments.data_root,
        label_fixes=arguments.label_fixes,
        drop_rare=arguments.drop_rare,
        rare_as=arguments.rare_as,
        extra=arguments.extra,
        # What a search would refuse of copies is a finding here.
        on_conflict="keep",
        torn_clusters="warn",
        runs=arguments.runs,
    )


def _write(path: Path, picture: bytes) -> None:
    try:
        with atomic_write(path) as file:
            file.write(picture)
    except OSError as error:
        raise StorageError(f"--augmentations {path} cannot be written: {error.strerror}") from error


def _table(space: SearchSpace, accepted: Mapping[str, Parameter]) -> Table:
    varied = len(space.varied())
    title = f"{counted(varied, 'parameter')} {'varies' if varied == 1 else 'vary'}"
    table = Table(title=title, title_justify="left")
    for head in ("parameter", "values", "exists when", "default"):
        table.add_column(head, overflow="fold")
    for name in space.varied():
        domain = space.domains[name]
        when = [
            f"{other} is {' or '.join(map(str, allowed))}" for other, allowed in domain.conditions.items()
        ]
        cells = (name, str(domain), ", ".join(when), repr(accepted[current_name(name, accepted)].default))
        table.add_row(*map(Text, cells))
    return table

"""What the command `check` does once its options are read.

The space is taken at its full scale unless --scale says otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table
from rich.text import Text

from orchestrator.check.checking import check_search
from orchestrator.check.preview import draw_preview
from orchestrator.cli.terminal import Terminal
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import StorageError
from orchestrator.core.text import counted
from orchestrator.core.trainable import Parameter, current_name
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.dataset import size
from orchestrator.space import SearchSpace
from orchestrator.space.loading import load_space, parse_settings, resolve_space


def run(arguments: argparse.Namespace) -> None:
    """Raises InputError for the first thing a search would refuse, StorageError."""
    console = Terminal(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)

    def say(text: str) -> None:
        console.print(text, markup=False)

    path = resolve_space(arguments.space)
    space = load_space(path).at_scale(arguments.scale).narrowed(parse_settings(arguments.set))
    say(f"space: {path}, scale {arguments.scale}: {size(space)}")
    found = check_search(space, _options(arguments), arguments.seed, say)
    console.print(_table(space, found.accepted))
    fixed = [f"{name}={domain}" for name, domain in space.domains.items() if name not in space.varied()]
    say(f"fixed: {', '.join(fixed) or 'nothing'}")
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

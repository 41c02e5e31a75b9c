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

from orchestrator.check.contact_sheet import Block, draw_sheet, to_png
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.callbacks import Announce
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import StorageError, TrainableError
from orchestrator.core.trainable import Config, Parameter, Trainable, current_name, load_trainable
from orchestrator.data.extra_rows import refuse_other_folds
from orchestrator.data.folds import load_or_build
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.dataset import make_dataset, size, values_of
from orchestrator.inputs.rows import gather_rows, rows_line
from orchestrator.sampling import make_sampler
from orchestrator.space import SearchSpace
from orchestrator.space.loading import load_space, parse_settings, resolve_space

REPEATS = 6  # training variants of an image
BLOCKS = 8  # settings on one sheet
PROPOSALS = 200  # configurations among which settings are looked for
PICTURED = ("image_size", "preprocess", "augment", "augment_rare", "mix", "mix_alpha", "mix_probability")
"""Parameters that change what images look like; other names that do are not looked for."""


def run(arguments: argparse.Namespace) -> None:
    """Raises InputError for the first thing a search would refuse, StorageError."""
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)

    def say(text: str) -> None:
        console.print(text, markup=False)

    path = resolve_space(arguments.space)
    space = load_space(path).at_scale(arguments.scale).narrowed(parse_settings(arguments.set))
    say(f"space: {path}, scale {arguments.scale}: {size(space)}")
    trainable = load_trainable(space.trainable)
    accepted = trainable.parameters()
    space.check_parameters(accepted)
    dataset = _dataset(arguments, space, say)
    _check_values(trainable, space, dataset)
    console.print(_table(space, accepted))
    fixed = [f"{name}={domain}" for name, domain in space.domains.items() if name not in space.varied()]
    say(f"fixed: {', '.join(fixed) or 'nothing'}")
    if arguments.augmentations is not None:
        _draw(arguments, space, trainable, dataset)
        say(f"images: {arguments.augmentations}")


def _check_values(trainable: type[Trainable], space: SearchSpace, dataset: Dataset) -> None:
    """Lets the trainable look at its own little languages and at the data, where it can."""
    look = getattr(trainable, "check_values", None)
    if look is not None:
        look(values_of(space, trainable.parameters()), dataset)


def _dataset(arguments: argparse.Namespace, space: SearchSpace, say: Announce) -> Dataset:
    runs: Path = arguments.runs
    options = DataOptions(
        arguments.data,
        data_root=arguments.data_root,
        label_fixes=arguments.label_fixes,
        extra=arguments.extra,
        runs=runs,
    )
    rows = gather_rows(options, space, say)
    plan = load_or_build(
        runs / ".cache" / "folds",
        rows.manifest,
        space.folds,
        arguments.seed,
        space.stratify,
        space.fold_column,
    )
    refuse_other_folds(rows.manifest, plan)
    dataset = make_dataset(space, rows.manifest, plan, runs)
    say(rows_line(rows.manifest, dataset, space))
    return dataset


def _table(space: SearchSpace, accepted: Mapping[str, Parameter]) -> Table:
    table = Table(title=f"{len(space.varied())} parameters vary", title_justify="left")
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


# ---- the contact sheet ----------------------------------------------------------------------------


def _draw(
    arguments: argparse.Namespace, space: SearchSpace, trainable: type[Trainable], dataset: Dataset
) -> None:
    preview = getattr(trainable, "preview", None)
    if preview is None:
        raise TrainableError(f"{space.trainable} has no preview; leave out --augmentations")
    blocks = []
    for config in settings(space, arguments.seed):
        pictures = preview(dataset, config, 0, arguments.rows, REPEATS, arguments.seed)
        blocks.append(Block(_caption(config, trainable.parameters()), pictures, dataset.classes))
    path: Path = arguments.augmentations
    try:
        with atomic_write(path) as file:
            file.write(to_png(draw_sheet(blocks)))
    except OSError as error:
        raise StorageError(f"--augmentations {path} cannot be written: {error.strerror}") from error


def settings(space: SearchSpace, seed: int) -> list[Config]:
    """Proposed configurations, each with a value of a pictured parameter that none before it has."""
    sampler = make_sampler("random", space, seed)
    found: list[Config] = []
    seen: set[tuple[str, str]] = set()
    listed = [name for name in PICTURED if name in space.domains and space.domains[name].finite() is not None]
    for number in range(PROPOSALS):
        config = sampler.propose(number)
        values = {(name, repr(config.get(name))) for name in listed}
        if not found or values - seen:
            found.append(config)
            seen |= values
        if len(found) == BLOCKS:
            break
    return found


def _caption(config: Config, accepted: Mapping[str, Parameter]) -> str:
    """Every pictured parameter that the trainable has and that says something, default or not."""
    shown = {
        name: config.get(name, accepted[name].default)
        for name in PICTURED
        if name in accepted and (name in config or not name.startswith("mix_"))
    }
    texts = {
        name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in shown.items()
    }
    return ", ".join(f"{name}={text}" for name, text in texts.items() if text)

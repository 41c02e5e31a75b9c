"""Which rows a command was asked to read, and where it may keep what it makes of them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.data.importers.contract import Reading

if TYPE_CHECKING:
    from orchestrator.data.manifest import DataSource

# The metadata of an option's field: what `tune --resume` does with it.
FIXED = {"on_resume": "fixed"}  # the study keeps it; another value is refused
REPEATED = {"on_resume": "repeated"}  # it holds for one command; the printed command to resume says it again
LIMIT = {"on_resume": "limit"}  # as REPEATED, until the study's budget is spent
OWN: Mapping[str, str] = {"on_resume": "own"}  # the code has a rule for it alone


@dataclass(frozen=True)
class DataOptions:
    """What the user of `tune` and `check` says about data."""

    # a table, a folder, a DataFrame, a manifest; None asks for the demo faces
    data: DataSource | None = field(default=None, metadata=FIXED)
    # how the data are read; what is not given is left to the data (`data.importers.contract.Reading`)
    path_column: str | None = field(default=None, metadata=FIXED)
    images: Sequence[Path] = field(default=(), metadata=FIXED)
    suffix: str | None = field(default=None, metadata=FIXED)
    labels: Path | None = field(default=None, metadata=FIXED)
    class_pattern: str | None = field(default=None, metadata=FIXED)
    group_pattern: str | None = field(default=None, metadata=FIXED)
    # the folder below which the images lie here; None leaves it to the data
    data_root: Path | None = field(default=None, metadata=REPEATED)
    # a table of corrected labels
    label_fixes: Path | None = field(default=None, metadata=FIXED)
    # classes with fewer groups than this are left out with their rows
    drop_rare: int | None = field(default=None, metadata=FIXED)
    # the class into which classes with fewer groups than there are folds are merged
    rare_as: str | None = field(default=None, metadata=FIXED)
    # what becomes of an image that has two labels: error, drop or keep
    on_conflict: str | None = field(default=None, metadata=FIXED)
    # whether folds that tear copies are refused or only told of; None leaves it to what is known of them
    torn_clusters: str | None = field(default=None, metadata=FIXED)
    # tables or folders of rows that join training parts only
    extra: Sequence[Path] = field(default=(), metadata=FIXED)
    # studies and caches lie below it
    runs: Path = field(default=Path("runs"), metadata=OWN)
    # whether files are made for their owner alone
    private: bool = field(default=False, metadata=REPEATED)

    @property
    def reading(self) -> Reading:
        """How `data` is read. Raises ManifestError."""
        return reading_of(self)


def reading_of(given: argparse.Namespace | DataOptions) -> Reading:
    """What a command's options (`cli.options.READING`) say. Raises ManifestError."""
    return Reading(
        given.path_column,
        tuple(given.images),
        given.suffix,
        given.labels,
        given.class_pattern,
        given.group_pattern,
    )

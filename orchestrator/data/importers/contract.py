"""What an importer is and gives, and what importers share."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import shortened

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))
"""Of image files, in lower case."""
SPLITS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing", "eval"))
"""Names of folders that are parts of a data set, not classes."""
TABLES = ("train.csv", "info.csv", "manifest.parquet", "manifest.csv", "labels.csv")
"""What a folder's table may be called, the first that is there is taken."""


@dataclass(frozen=True)
class Reading:
    """What the user says of how a source is read; what is not said is left to the source.

    Raises ManifestError for a pattern that is none.
    """

    path_column: str | None = None  # of a table: the column that names the images
    images: tuple[Path, ...] = ()  # the folders below which a table's images lie
    suffix: str | None = None  # what a table leaves out at the end of an image's name, such as ".jpg"
    labels: Path | None = None  # a table that joins the images by name, or one that names the classes
    class_pattern: str | None = None  # its first group is the class in a file's name

    def __post_init__(self) -> None:
        if self.suffix and not self.suffix.startswith("."):
            object.__setattr__(self, "suffix", f".{self.suffix}")
        if self.class_pattern is not None:
            _check_pattern(self.class_pattern)


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ManifestError(f"--class-pattern {pattern!r} is no regular expression: {error}") from None
    if groups < 1:
        raise ManifestError(
            f"--class-pattern {pattern!r} has no group; put what is the class in brackets, as in '^([a-z]+)_'"
        )


AS_FOUND = Reading()


@dataclass(frozen=True)
class Imported:
    """Rows before they are checked."""

    frame: pd.DataFrame  # column path, relative to root, raw columns, perhaps role and group
    root: Path  # the folder of the images
    name: str  # of the data set
    group: str | None = None  # the column that groups rows when the user names none, if there is one
    keep_order: bool = False  # whether the rows stay in this order; otherwise they are sorted by path
    listed: bool = False  # whether the files are known to exist, as rows made from a listing of folders are
    notes: tuple[str, ...] = ()  # worth telling the user


class Importer(Protocol):
    """A module that knows one layout of images."""

    LAYOUT: str  # as a refusal names it: "a folder per class"

    def matches(self, source: Path, reading: Reading) -> bool:
        """Whether `source`, a file or folder that exists, has this layout. It need not read all of it."""
        ...

    def read(self, source: Path, reading: Reading) -> Imported:
        """The rows of a source that matches. Raises ManifestError."""
        ...


def table_of(source: Path) -> Path | None:
    """The table a user means: the file itself, or one of TABLES in the folder or in its folder train."""
    if source.is_file():
        return source
    paths = (folder / name for folder in (source, source / "train") for name in TABLES)
    return next((path for path in paths if path.is_file()), None)


def images_in(folder: Path) -> list[str]:
    """Sorted names of the image files of a folder; hidden ones (macOS leaves ._mask1.jpg) don't count."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
    return sorted(name for name in names if Path(name).suffix.lower() in SUFFIXES)


def folders_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def dataset_name(folder: Path) -> str:
    folder = folder.resolve()
    return f"{folder.parent.name}-{folder.name}" if folder.name in SPLITS else folder.name


def require(frame: pd.DataFrame, columns: Sequence[str], source: Path) -> None:
    """Raises ManifestError when one of the columns is not there."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ManifestError(
            f"{source}: column {shortened(missing)} is missing; it has {', '.join(map(str, frame.columns))}"
        )

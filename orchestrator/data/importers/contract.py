"""What an importer gives, and what importers share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import shortened

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))


SPLITS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing", "eval"))


@dataclass(frozen=True)
class Imported:
    """Rows before they are checked: column path, raw columns, perhaps role and group.

    group: the column whose rows belong together when the user names none; None: no such column.
    listed: the files are known to exist, because the rows were made from a listing of folders.
    """

    frame: pd.DataFrame
    root: Path
    name: str
    group: str | None = None
    keep_order: bool = False
    listed: bool = False
    notes: tuple[str, ...] = ()


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

"""A folder per class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers.contract import (
    SPLITS,
    Imported,
    Reading,
    dataset_name,
    folders_in,
    images_in,
)
from orchestrator.data.table_files import normalise_column_types

LAYOUT = "a folder per class"


def matches(source: Path, reading: Reading) -> bool:
    """Two classes at least, or a folder of parts (train, test), which `read` explains."""
    del reading
    if not source.is_dir():
        return False
    classes = [label for label in folders_in(source) if _holds_image(source / label)]
    return len(classes) > 1 or (bool(classes) and _are_parts(classes))


def read(source: Path, reading: Reading) -> Imported:
    """A class per folder, its images at any depth; column label is the folder's name.

    Raises ManifestError for a folder of parts, which would pass for classes.
    """
    del reading
    found = {label: _images_below(source, label) for label in folders_in(source)}
    classes = {label: paths for label, paths in found.items() if paths}
    if _are_parts(classes):
        raise ManifestError(
            f"{source} holds the parts {', '.join(classes)}, not classes; name one of them, for example "
            f"{source / next(iter(classes))}, or list all in a CSV with the columns path, label and role"
        )
    labels = [label for label, paths in classes.items() for _ in paths]
    frame = normalise_column_types(
        {"path": [path for paths in classes.values() for path in paths], "label": labels}
    )
    return Imported(frame, source, dataset_name(source), listed=True)


def _are_parts(classes: Iterable[str]) -> bool:
    return {name.lower() for name in classes} <= SPLITS


def _holds_image(folder: Path) -> bool:
    return bool(images_in(folder)) or any(_holds_image(folder / name) for name in folders_in(folder))


def _images_below(root: Path, folder: str) -> list[str]:
    here = [f"{folder}/{name}" for name in images_in(root / folder)]
    return here + [
        path for name in folders_in(root / folder) for path in _images_below(root, f"{folder}/{name}")
    ]

"""A folder per class."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers.contract import (
    SPLITS,
    Imported,
    dataset_name,
    folders_in,
    images_in,
)
from orchestrator.data.table_files import normalise_columns


def class_folders(folder: Path) -> Imported | None:
    """A class per folder, its images at any depth; column label is the folder's name. None: not two classes.

    Raises ManifestError for a folder of parts (train, test), which would pass for classes.
    """
    found = {label: _images_below(folder, label) for label in folders_in(folder)}
    classes = {label: paths for label, paths in found.items() if paths}
    if classes and {name.lower() for name in classes} <= SPLITS:
        raise ManifestError(
            f"{folder} holds the parts {', '.join(classes)}, not classes; name one of them, for example "
            f"{folder / next(iter(classes))}, or list all in a CSV with the columns path, label and role"
        )
    if len(classes) < 2:
        return None
    labels = [label for label, paths in classes.items() for _ in paths]
    frame = normalise_columns(
        {"path": [path for paths in classes.values() for path in paths], "label": labels}
    )
    return Imported(frame, folder, dataset_name(folder), listed=True)


def _images_below(root: Path, place: str) -> list[str]:
    here = [f"{place}/{name}" for name in images_in(root / place)]
    return here + [
        path for name in folders_in(root / place) for path in _images_below(root, f"{place}/{name}")
    ]

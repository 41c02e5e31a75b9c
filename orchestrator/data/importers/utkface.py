"""UTKFace file names: age_gender_race_timestamp.jpg."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import shortened
from orchestrator.data.importers.contract import Imported, Reading, dataset_name, images_in
from orchestrator.data.table_files import normalise_column_types

LAYOUT = "UTKFace names"
_UTKFACE = re.compile(r"(\d{1,3})_([01])_([0-4])_.+")
_RACES = ("White", "Black", "Asian", "Indian", "Others")


def matches(source: Path, reading: Reading) -> bool:
    del reading
    return _found(source) is not None


def read(source: Path, reading: Reading) -> Imported:
    """Age, gender and race out of `age_gender_race_timestamp.jpg`; each image its own group.

    Raises ManifestError naming the files that don't read so (UTKFace has a few without a race).
    """
    del reading
    found = _found(source)
    assert found is not None
    return _utkface_rows(*found)


def _found(source: Path) -> tuple[Path, list[str]] | None:
    """The folder whose images have such names, and all images in it: the source itself, or its images/."""
    for folder in (source, source / "images"):
        names = images_in(folder) if folder.is_dir() else []
        if any(_UTKFACE.fullmatch(name) for name in names):
            return folder, names
    return None


def _utkface_rows(folder: Path, names: Sequence[str]) -> Imported:
    matches = [_UTKFACE.fullmatch(name) for name in names]
    malformed = [name for name, match in zip(names, matches, strict=True) if match is None]
    if malformed:
        raise ManifestError(
            f"{folder}: {len(malformed)} file names don't read age_gender_race_timestamp: "
            f"{shortened(malformed)}; rename or remove them"
        )
    cells = [match.groups() for match in matches if match is not None]
    frame = normalise_column_types(
        {
            "path": list(names),
            "age": [int(age) for age, *_ in cells],
            "gender": [("male", "female")[int(gender)] for _, gender, *_ in cells],
            "race": [_RACES[int(race)] for _, _, race, *_ in cells],
        }
    )
    return Imported(frame, folder, dataset_name(folder), listed=True)

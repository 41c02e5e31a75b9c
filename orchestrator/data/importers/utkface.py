"""UTKFace file names: age_gender_race_timestamp.jpg, in one folder or in several such as part1 to part3."""

from __future__ import annotations

import re

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import shortened
from orchestrator.data.importers.contract import Imported, Source, rows_of_files

LAYOUT = "UTKFace names"
_UTKFACE = re.compile(r"(\d{1,3})_([01])_([0-4])_.+")
_RACES = ("White", "Black", "Asian", "Indian", "Others")


def matches(source: Source) -> bool:
    """Some names in the folder itself or its images/, else most names in the tree."""
    if not source.path.is_dir():
        return False
    near = [name for folder in ("", "images") for name in source.listing.by_folder.get(folder, [])]
    if any(map(_UTKFACE.fullmatch, near)):
        return True
    read_so = sum(_UTKFACE.fullmatch(_name(path)) is not None for path in source.listing.images)
    return 2 * read_so > len(source.listing.images)


def read(source: Source) -> Imported:
    """Age, gender and race out of `age_gender_race_timestamp.jpg`; each image its own group.

    Raises ManifestError naming the files that don't read so (UTKFace has a few without a race).
    """
    found = {path: _UTKFACE.fullmatch(_name(path)) for path in source.listing.images}
    malformed = [path for path, match in found.items() if match is None]
    if malformed:
        raise ManifestError(
            f"{source.path}: {len(malformed)} file names don't read age_gender_race_timestamp: "
            f"{shortened(malformed)}; rename or remove them"
        )
    cells = {path: match.groups() for path, match in found.items() if match is not None}
    return rows_of_files(
        source.listing,
        {
            path: {"age": int(age), "gender": ("male", "female")[int(gender)], "race": _RACES[int(race)]}
            for path, (age, gender, race) in cells.items()
        },
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2]

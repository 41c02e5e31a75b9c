"""The mask competition's training part: train.csv, images/<path>/{mask1..5,incorrect_mask,normal}.*

Its seven photos of a person are rows of one group.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import shortened
from orchestrator.data.image_names import is_image
from orchestrator.data.importers.contract import Imported, Source, dataset_name
from orchestrator.data.importers.listing import images_in
from orchestrator.data.table_files import normalise_column_types, read_csv
from orchestrator.data.targets import Target, age_bins, categorical, joint

LAYOUT = "the mask competition's train.csv with images/"
PHOTOS = {**{f"mask{i}": "worn" for i in range(1, 6)}, "incorrect_mask": "wrong", "normal": "none"}
COMPETITION = ("id", "gender", "race", "age", "path")
TARGET = joint(
    categorical("mask", ["worn", "wrong", "none"]),
    categorical("gender", ["male", "female"]),
    age_bins([30, 60]),
)
"""What the competition asks for: 18 classes, mask * 6 + gender * 3 + age."""


def target_of(frame: pd.DataFrame) -> Target | None:
    """The competition's target, where rows have its columns and its words in them."""
    has_columns = {*COMPETITION, "mask"} <= set(map(str, frame.columns))
    return TARGET if has_columns and set(frame["mask"]) <= set(PHOTOS.values()) else None


def matches(source: Source) -> bool:
    table, own = source.table, source.reading
    named = own.path_column not in (None, "path") or own.images or own.suffix
    return table is not None and table.name == "train.csv" and not named and _names_folders(source)


def _names_folders(source: Source) -> bool:
    """It has the competition's columns, and its `path` names folders of photos, not photos."""
    frame, _ = source.read_table
    return set(COMPETITION) <= set(frame.columns) and not any(is_image(str(path)) for path in frame["path"])


def read(source: Source) -> Imported:
    """A row per photo, grouped by `id`, mask in worn, wrong, none. Raises ManifestError."""
    assert source.table is not None
    return _competition_rows(source.table.parent)


def _competition_rows(folder: Path) -> Imported:
    table = read_csv(folder / "train.csv")
    if table.empty:
        raise ManifestError(f"{folder / 'train.csv'} has a header and no person; it needs a line per person")
    nameless = table.index[table["path"].isna()]
    if len(nameless):
        raise ManifestError(f"{folder / 'train.csv'}: column 'path' is empty in row {nameless[0] + 1}")
    people = table.astype({"path": str})
    repeated = sorted(people["path"][people["path"].duplicated()])
    if repeated:
        raise ManifestError(
            f"{folder / 'train.csv'}: folder {shortened(repeated)} is listed more than once; keep one line"
        )
    missing: list[str] = []
    unknown: list[str] = []
    photos = [_photos_of(folder, name, missing, unknown) for name in people["path"]]
    if missing:
        raise ManifestError(
            f"{folder}: {len(missing)} folders or photos that train.csv needs are missing: "
            f"{shortened(missing)}; add them, or take the people out of train.csv"
        )
    rows = [
        {**person, "path": f"images/{person['path']}/{file}", "photo": stem, "mask": PHOTOS[stem]}
        for person, files in zip(people.to_dict("records"), photos, strict=True)
        for stem, file in files.items()
    ]
    frame = normalise_column_types({str(name): [row[name] for row in rows] for name in rows[0]})
    notes = (f"{len(unknown)} files that are none of the seven photos are left out: {shortened(unknown)}",)
    return Imported(frame, folder, dataset_name(folder), "id", listed=True, notes=notes if unknown else ())


def _photos_of(folder: Path, name: str, missing: list[str], unknown: list[str]) -> dict[str, str]:
    """stem -> file name of one person; appends what is missing or unknown."""
    folder_name = f"images/{name}"
    try:
        files = images_in(folder / folder_name)
    except (FileNotFoundError, NotADirectoryError):
        missing.append(f"{folder_name}/")
        return {}
    found: dict[str, str] = {}
    for file in files:
        stem = Path(file).stem
        if stem in PHOTOS and stem not in found:
            found[stem] = file
        else:
            unknown.append(f"{folder_name}/{file}")
    missing.extend(f"{folder_name}/{stem}.*" for stem in PHOTOS if stem not in found)
    return found

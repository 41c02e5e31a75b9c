"""One function per layout of images: each gives rows, a root and what groups them.

train.csv + images/<path>/{mask1..5,incorrect_mask,normal}.*   the mask competition, seven photos a person
info.csv + images/                                             its evaluation part, role test
table.csv or .parquet with named columns                       images relative to the table's folder
age_gender_race_timestamp.jpg                                  UTKFace names
<class>/*.jpg                                                  a folder per class
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator.errors import ManifestError
from orchestrator.table_file import read_csv, read_parquet, tidy, written_record

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))
PHOTOS = {**{f"mask{i}": "worn" for i in range(1, 6)}, "incorrect_mask": "wrong", "normal": "none"}
COMPETITION = ("id", "gender", "race", "age", "path")
_UTKFACE = re.compile(r"(\d{1,3})_([01])_([0-4])_.+")
_RACES = ("White", "Black", "Asian", "Indian", "Others")
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


def shortened(items: Sequence[str], limit: int = 3) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


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


# ---- the competition ------------------------------------------------------------------------------


def competition_train(folder: Path) -> Imported:
    """A row per photo, grouped by `id`, mask in worn, wrong, none. Raises ManifestError."""
    table = read_csv(folder / "train.csv")
    require(table, COMPETITION, folder / "train.csv")
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
    frame = tidy({str(name): [row[name] for row in rows] for name in rows[0]})
    notes = (f"{len(unknown)} files that are none of the seven photos are left out: {shortened(unknown)}",)
    return Imported(frame, folder, dataset_name(folder), "id", listed=True, notes=notes if unknown else ())


def _photos_of(folder: Path, name: str, missing: list[str], unknown: list[str]) -> dict[str, str]:
    """stem -> file name of one person; appends what is missing or unknown."""
    place = f"images/{name}"
    try:
        files = images_in(folder / place)
    except (FileNotFoundError, NotADirectoryError):
        missing.append(f"{place}/")
        return {}
    found: dict[str, str] = {}
    for file in files:
        stem = Path(file).stem
        if stem in PHOTOS and stem not in found:
            found[stem] = file
        else:
            unknown.append(f"{place}/{file}")
    missing.extend(f"{place}/{stem}.*" for stem in PHOTOS if stem not in found)
    return found


def competition_eval(folder: Path) -> Imported:
    """A row per ImageID in the template's order, role test. The column `ans` is a placeholder, not truth."""
    table = read_csv(folder / "info.csv")
    require(table, ("ImageID",), folder / "info.csv")
    names = [str(name) for name in table["ImageID"]]
    frame = tidy(
        {"path": [f"images/{name}" for name in names], "ImageID": names, "role": ["test"] * len(names)}
    )
    return Imported(frame, folder, dataset_name(folder), "ImageID", keep_order=True)


# ---- tables ---------------------------------------------------------------------------------------


def table_rows(source: Path, path_column: str) -> Imported:
    """Rows of a CSV or Parquet file; paths are relative to its folder, or all absolute."""
    if source.suffix.lower() == ".csv":
        frame, record = read_csv(source), None
    else:
        frame, metadata = read_parquet(source)
        record = written_record(metadata)
    if record is not None and "root" in record:  # a manifest this project wrote knows where its images lie
        notes = tuple(record["notes"])
        return Imported(frame, Path(record["root"]), record["name"], "group", keep_order=True, notes=notes)
    require(frame, (path_column,), source)
    if frame.empty:
        raise ManifestError(f"{source} has a header and no row; it needs a line per image")
    empty = frame.index[frame[path_column].isna()]
    if len(empty):
        raise ManifestError(f"{source}: column {path_column!r} is empty in row {empty[0] + 1}; fill it in")
    texts = [str(path).replace("\\", "/") for path in frame[path_column]]
    root, paths = _relative(source, texts)
    group = "group" if "group" in frame else None
    return Imported(frame.assign(path=paths), root, source.stem, group)


def _relative(source: Path, paths: Sequence[str]) -> tuple[Path, list[str]]:
    absolute = [path for path in paths if posixpath.isabs(path)]
    if not absolute:
        return source.parent, [posixpath.normpath(path) for path in paths]
    if len(absolute) < len(paths):
        raise ManifestError(
            f"{source}: {len(absolute)} of {len(paths)} paths are absolute ({absolute[0]}); "
            "make all of them absolute or all relative to the table's folder"
        )
    root = posixpath.commonpath([posixpath.dirname(path) for path in paths])
    return Path(root), [posixpath.relpath(path, root) for path in paths]


def require(frame: pd.DataFrame, columns: Sequence[str], source: Path) -> None:
    """Raises ManifestError when one of the columns is not there."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ManifestError(
            f"{source}: column {shortened(missing)} is missing; it has {', '.join(map(str, frame.columns))}"
        )


# ---- names and folders ----------------------------------------------------------------------------


def looks_like_utkface(names: Sequence[str]) -> bool:
    return any(_UTKFACE.fullmatch(name) for name in names)


def utkface(folder: Path, names: Sequence[str]) -> Imported:
    """Age, gender and race out of `age_gender_race_timestamp.jpg`; each image its own group.

    Raises ManifestError naming the files that don't read so (UTKFace has a few without a race).
    """
    matches = [_UTKFACE.fullmatch(name) for name in names]
    malformed = [name for name, match in zip(names, matches, strict=True) if match is None]
    if malformed:
        raise ManifestError(
            f"{folder}: {len(malformed)} file names don't read age_gender_race_timestamp: "
            f"{shortened(malformed)}; rename or remove them"
        )
    cells = [match.groups() for match in matches if match is not None]
    frame = tidy(
        {
            "path": list(names),
            "age": [int(age) for age, *_ in cells],
            "gender": [("male", "female")[int(gender)] for _, gender, *_ in cells],
            "race": [_RACES[int(race)] for _, _, race, *_ in cells],
        }
    )
    return Imported(frame, folder, dataset_name(folder), listed=True)


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
    frame = tidy({"path": [path for paths in classes.values() for path in paths], "label": labels})
    return Imported(frame, folder, dataset_name(folder), listed=True)


def _images_below(root: Path, place: str) -> list[str]:
    here = [f"{place}/{name}" for name in images_in(root / place)]
    return here + [
        path for name in folders_in(root / place) for path in _images_below(root, f"{place}/{name}")
    ]

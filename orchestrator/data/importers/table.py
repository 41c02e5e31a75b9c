"""A table with a line per image: CSV, TSV, Parquet or JSON lines, beside its images or above them."""

from __future__ import annotations

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import counted, shortened
from orchestrator.data.importers.contract import TABLE_SUFFIXES, Imported, Reading, Source, require
from orchestrator.data.importers.image_column import (
    FileIndex,
    Found,
    Outcome,
    Partly,
    Question,
    find_column,
    match_column,
)
from orchestrator.data.importers.listing import Listing, composed, is_image, list_tree
from orchestrator.data.scalars import to_scalars, to_text
from orchestrator.data.table_files import normalise_column_types, read_head, read_table, written_record

THE_FRAME = Path("the DataFrame")
"""What refusals call a table that lies in memory."""

LAYOUT = "a table whose lines name images"
_ELSEWHERE = re.compile(r"[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]+://")


def matches(source: Source) -> bool:
    """Raises ManifestError where several tables of a folder name its images."""
    table = source.table or _of_several(source)
    return table is not None and table.suffix.lower() in (*TABLE_SUFFIXES, ".txt", ".json")


def read(source: Source) -> Imported:
    """A row per line, in the table's order. Raises ManifestError."""
    table = source.table or _of_several(source)
    assert table is not None
    frame, metadata = source.read_table if table == source.table else read_table(table)
    record = written_record(metadata)
    if record is not None and "root" in record:  # a manifest this project wrote knows where its images lie
        notes = tuple(record["notes"])
        return Imported(frame, Path(record["root"]), record["name"], "group", notes=notes)
    return rows_of(frame, table, table.parent, source.reading)


def _of_several(source: Source) -> Path | None:
    """The one of a folder's tables that names its images: others may lie beside class folders."""
    if not source.tables:
        return None
    files = FileIndex(source.listing.images, source.path)
    naming = [path for path in source.learnt if _names_images(path, files, source.reading)]
    if len(naming) > 1:
        names = shortened([path.name for path in naming])
        raise ManifestError(
            f"{source.path}: {len(naming)} tables name its images: {names}; name one of them, for example "
            f"--data {naming[0]}"
        )
    return naming[0] if naming else None


def _names_images(table: Path, files: FileIndex, reading: Reading) -> bool:
    """Most of its first rows do."""
    frame = read_head(table)
    if frame.empty or "path" in frame or reading.path_column in frame:
        return not frame.empty
    found = find_column(frame, files, reading.suffix)
    return found is not None and not (isinstance(found, Partly) and 2 * len(found.missing) > found.rows)


def frame_rows(frame: pd.DataFrame, reading: Reading) -> Imported:
    """Rows of a DataFrame; relative paths start in the current folder. Its index says nothing.

    Raises ManifestError.
    """
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ManifestError(f"{THE_FRAME}: column {twice[0]!r} appears more than once; rename one of them")
    cells = {name: frame.iloc[:, at].tolist() for at, name in enumerate(names)}
    return rows_of(normalise_column_types(cells), THE_FRAME, Path.cwd(), reading)


def rows_of(frame: pd.DataFrame, source: Path, folder: Path, reading: Reading) -> Imported:
    """folder: where relative paths start if the reading does not say. Raises ManifestError."""
    if reading.path_column is not None:
        require(frame, (reading.path_column,), source)
    if frame.empty:
        raise ManifestError(f"{source} has a header and no row; it needs a line per image")
    if (first := next((str(name) for name in frame.columns if is_image(str(name))), None)) is not None:
        raise ManifestError(
            f"{source}: its first line names the image {first}, so it is no header; write the names of the "
            "columns above it"
        )
    column = reading.path_column or ("path" if "path" in frame else None)
    if column is not None and frame[column].isna().any():
        row = int(frame[column].isna().to_numpy().argmax()) + 1
        raise ManifestError(f"{source}: column {column!r} is empty in row {row}; fill it in")
    base = reading.data_root or folder
    as_written = None if column is None else _as_written(frame, column, source, folder, reading.data_root)
    if as_written is not None and not reading.images and (as_written.listed or as_written.some):
        return as_written.rows
    listing = _listing(base, reading)
    found = _found_in(frame, listing, reading)
    if isinstance(found, Found):
        return _imported(frame.assign(path=found.paths), listing.root, source, (_line(found, listing),))
    if isinstance(found, Question):
        raise ManifestError(f"{source}: {found.text}")
    if (
        column is not None
        and as_written is not None
        and not reading.images
        and not _is_elsewhere(frame, column)
    ):
        return as_written.rows
    raise ManifestError(f"{source}: {_missing(frame, column, found, listing)}")


def _imported(
    frame: pd.DataFrame, root: Path, source: Path, found: tuple[str, ...] = (), listed: bool = True
) -> Imported:
    group = "group" if "group" in frame else None
    return Imported(frame, root, source.stem, group, listed=listed, found=found)


# ---- paths that are there as they are written -------------------------------------------------------


@dataclass(frozen=True)
class _AsWritten:
    """The paths taken by the word."""

    rows: Imported
    present: int  # of so many the file is there

    @property
    def listed(self) -> bool:
        return self.rows.listed

    @property
    def some(self) -> bool:
        """Paths with folders, some of them there: they are meant as written, and the others are missing."""
        return self.present > 0 and any("/" in path for path in self.rows.frame["path"])


def _as_written(
    frame: pd.DataFrame, column: str, source: Path, folder: Path, data_root: Path | None
) -> _AsWritten:
    """folder: where relative paths start; data_root: what takes its place, and that of absolute ones."""
    texts = [str(to_text(cell)).replace("\\", "/") for cell in to_scalars(frame[column])]
    absolute = [path for path in texts if posixpath.isabs(path)]
    if absolute and len(absolute) < len(texts):
        raise ManifestError(
            f"{source}: {len(absolute)} of {len(texts)} paths are absolute ({absolute[0]}); "
            f"make all of them absolute or all relative to {folder}"
        )
    paths = [posixpath.normpath(path) for path in texts]
    if absolute:
        folder = Path(posixpath.commonpath([posixpath.dirname(path) for path in texts]))
        paths = [posixpath.relpath(path, folder) for path in texts]
    root = data_root or folder
    there = [path for path in _present(root, paths) if path is not None]
    listed = len(there) == len(paths)
    rows = _imported(frame.assign(path=there if listed else paths), root, source, listed=listed)
    return _AsWritten(rows, len(there))


def _present(root: Path, paths: Sequence[str]) -> list[str | None]:
    """The paths as the disk writes them, None for those that are not there.

    One listing per folder: a call per file would take minutes on a network drive.
    """
    folders: defaultdict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        folders[posixpath.dirname(path)].append(row)
    found: list[str | None] = [None] * len(paths)
    for folder, rows in folders.items():
        names = _names(root / folder)
        alike = {composed(name): name for name in names}
        for row in rows:
            name = posixpath.basename(paths[row])
            own = name if name in names else alike.get(composed(name))
            found[row] = None if own is None else posixpath.join(folder, own)
    return found


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - names alone, no Path for each
    except OSError:
        return frozenset()


# ---- paths that are looked for ----------------------------------------------------------------------


def _listing(base: Path, reading: Reading) -> Listing:
    """Of the folder beside the table, or of --images. Raises ManifestError."""
    base = base.absolute()
    if not reading.images:
        return _once(list_tree(base)) if base.is_dir() else Listing(base, ())
    folders = [folder.absolute() for folder in reading.images]
    for folder in folders:
        if not folder.is_dir():
            raise ManifestError(f"--images {folder} is no folder; correct it")
    if len(folders) == 1:
        return _once(list_tree(folders[0]))
    root = Path(os.path.commonpath(folders))
    parts = {folder: _once(list_tree(folder)) for folder in dict.fromkeys(folders)}
    images = sorted(
        {
            (folder.relative_to(root) / path).as_posix()
            for folder, part in parts.items()
            for path in part.images
        }
    )
    return Listing(root, tuple(images))


def _once(listing: Listing) -> Listing:
    """A file that links lead to under one name: it would answer twice to a part of its path."""
    if not listing.linked:
        return listing
    return replace(listing, images=tuple(listing.once({path: {} for path in listing.images})[0]))


def _found_in(frame: pd.DataFrame, listing: Listing, reading: Reading) -> Outcome | None:
    files = FileIndex(listing.images, listing.root)
    named = reading.path_column or ("path" if "path" in frame else None)
    if named is not None:
        own = match_column(frame, named, files, reading.suffix)
        if reading.path_column is not None or not isinstance(own, Partly) or len(own.missing) < own.rows:
            return own
    return find_column(frame, files, reading.suffix)


def _line(found: Found, listing: Listing) -> str:
    others = len(listing.images) - len(set(found.paths))
    return found.line() + (f"; {counted(others, 'image')} below {listing.root} in no row" if others else "")


# ---- what is wrong ----------------------------------------------------------------------------------


def _is_elsewhere(frame: pd.DataFrame, column: str) -> bool:
    return any(_ELSEWHERE.match(str(cell)) for cell in to_scalars(frame[column]))


def _missing(frame: pd.DataFrame, column: str | None, found: Outcome | None, listing: Listing) -> str:
    example = f", such as {listing.images[0]}" if listing.images else ""
    looked = f"{listing.root} ({counted(len(listing.images), 'image')} there{example})"
    elsewhere = next((str(name) for name in frame.columns if _is_elsewhere(frame, str(name))), None)
    partly = found if isinstance(found, Partly) else None
    if (
        elsewhere is not None
        and column in (None, elsewhere)
        and (partly is None or partly.column == elsewhere)
    ):
        return _not_here(frame, elsewhere, looked)
    if partly is not None:
        return _in_part(frame, partly, looked)
    beside = "; if it only says more of class folders beside it, give it as --labels"
    return (
        f"no column names images (it has {', '.join(map(str, frame.columns))}): their values are no files "
        f"below {looked}; say which with --path-column COLUMN, and where they lie with --images "
        f"DIR{beside if len(listing.tops) > 1 else ''}"
    )


def _not_here(frame: pd.DataFrame, column: str, looked: str) -> str:
    value = next(str(cell) for cell in to_scalars(frame[column]) if _ELSEWHERE.match(str(cell)))
    kind = "addresses, which are not downloaded" if "://" in value else "paths of another machine"
    return (
        f"column {column} holds {kind} ({value}), and files of those names are not all below {looked}; name "
        "the folder that has them with --images DIR"
    )


def _in_part(frame: pd.DataFrame, found: Partly, looked: str) -> str:
    cells = to_scalars(frame[found.column])
    said = {row: "an empty cell" if cells[row] is None else repr(cells[row]) for row in found.missing}
    return (
        f"column {found.column} names images, but {len(said)} of {found.rows} are not below {looked}: "
        f"{shortened([f'{cell} in row {row + 1}' for row, cell in said.items()])}; add them, take the rows "
        "out, or name their folder with --images DIR"
    )

"""A table with a line per image: CSV, TSV, Parquet or JSON lines, beside its images or above them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import counted, shortened
from orchestrator.data.image_names import is_image
from orchestrator.data.importers.as_written import AsWritten, as_written
from orchestrator.data.importers.contract import (
    TABLE_SUFFIXES,
    Imported,
    Reading,
    Source,
    is_of_test,
    require,
)
from orchestrator.data.importers.image_column import (
    FileIndex,
    Found,
    Outcome,
    Partly,
    Question,
    find_column,
    match_column,
)
from orchestrator.data.importers.listing import Listing, list_tree
from orchestrator.data.importers.missing_images import is_elsewhere, missing_text
from orchestrator.data.scalars import to_scalars, to_text
from orchestrator.data.splits import split_of_folder
from orchestrator.data.table_files import (
    UNNAMED,
    composed_texts,
    normalise_column_types,
    read_head,
    read_table,
    written_record,
)

THE_FRAME = Path("the DataFrame")
"""What refusals call a table that lies in memory."""

LAYOUT = "a table whose lines name images"


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
    rows = rows_of(frame, table, table.parent, source.reading)
    if source.path.is_dir() and is_of_test(table) and "role" not in frame:  # its labels may be placeholders
        return replace(rows, frame=rows.frame.assign(role="test"))
    return rows


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
            f"--data {next((path for path in naming if split_of_folder(path.stem) == 'train'), naming[0])}"
        )
    if naming and is_of_test(naming[0]) and not _names_every_folder(naming[0], files, source):
        return None
    return naming[0] if naming else None


def _names_every_folder(table: Path, files: FileIndex, source: Source) -> bool:
    """A sample submission beside train/cat/ and test/ says nothing of the images that are trained on."""
    found = find_column(read_table(table)[0], files, source.reading.suffix)
    return isinstance(found, Found) and {path.split("/")[0] for path in found.paths} >= {*source.listing.tops}


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
    given, frame = frame, composed_texts(frame)
    column = _checked_column(frame, source, reading)
    written = None
    if column is not None:
        texts = [
            str(to_text(cell)) for cell in to_scalars(given[column])
        ]  # two files may differ in that alone
        written = as_written(texts, source, folder, reading.data_root)
        if not reading.images and (written.all_there or written.some_there):
            return _rows_as_written(frame, written, source, column)
    listing = _listing(reading.data_root or folder, reading)
    found = _found_in(frame, listing, reading)
    if isinstance(found, Found):
        return _imported(frame.assign(path=found.paths), listing.root, source, (_line(found, listing),))
    if isinstance(found, Question):
        raise ManifestError(f"{source}: {found.text}")
    outside = None if column is not None or reading.images else _outside(frame, source, folder, reading)
    if outside is not None:
        return outside
    if column is None or written is None or reading.images or is_elsewhere(frame, column):
        other = "" if reading.suffix is None else f"; or correct --suffix {reading.suffix}, or leave it out"
        raise ManifestError(f"{source}: {missing_text(frame, column, found, listing)}{other}")
    return _rows_as_written(frame, written, source, column)  # refused later, or told by doctor


def _checked_column(frame: pd.DataFrame, source: Path, reading: Reading) -> str | None:
    """The column that the user or its name says names the images. Raises ManifestError."""
    if reading.path_column is not None:
        require(frame, (reading.path_column,), source)
    if frame.empty:
        raise ManifestError(f"{source} has a header and no row; it needs a line per image")
    first = next((str(name) for name in frame.columns if is_image(str(name))), None)
    if first is not None:
        raise ManifestError(
            f"{source}: its first line names the image {first}, so it is no header; write the names of the "
            "columns above it"
        )
    column = reading.path_column or ("path" if "path" in frame else None)
    if column is not None and frame[column].isna().any():
        row = int(frame[column].isna().to_numpy().argmax()) + 1
        raise ManifestError(f"{source}: column {column!r} is empty in row {row}; fill it in")
    return column


def _outside(frame: pd.DataFrame, source: Path, folder: Path, reading: Reading) -> Imported | None:
    """By the one column whose every value is a path of a file that lies elsewhere, such as ../images/1.png.

    Raises ManifestError for two of them.
    """
    found: dict[str, AsWritten] = {}
    for name in frame.columns:
        texts = [to_text(cell) or "" for cell in to_scalars(frame[name])]
        if all(text.startswith(("/", "../", "..\\")) for text in texts):
            written = as_written(texts, source, folder, reading.data_root)
            found = {**found, str(name): written} if written.all_there else found
    if len(found) > 1:
        raise ManifestError(
            f"{source}: {len(found)} columns name images: {shortened([*found])}; say which with --path-column"
        )
    return next((_rows_as_written(frame, item, source, name) for name, item in found.items()), None)


def _rows_as_written(frame: pd.DataFrame, written: AsWritten, source: Path, column: str) -> Imported:
    rows = len(written.paths)
    line = f"images: column {column}, paths as written, {written.present} of {rows}"
    found = (line,) if column != "path" and written.all_there else ()
    return _imported(frame.assign(path=written.paths), written.root, source, found, written.all_there)


def _imported(
    frame: pd.DataFrame, root: Path, source: Path, found: tuple[str, ...] = (), listed: bool = True
) -> Imported:
    group = "group" if "group" in frame else None
    unnamed = [str(name) for name in frame.columns if str(name).startswith(UNNAMED)]
    if unnamed and f"{UNNAMED}1" == unnamed[0]:
        found = (*found, f"columns: {source.name} has no header, so they are called {shortened(unnamed, 8)}")
    return Imported(frame, root, source.stem, group, listed=listed, found=found)


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

"""A CSV or Parquet table with a line per image."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers.contract import Imported, Reading, require, table_of
from orchestrator.data.table_files import normalise_column_types, read_csv, read_parquet, written_record

THE_FRAME = Path("the DataFrame")
"""What refusals call a table that lies in memory."""

LAYOUT = "labels.csv, manifest.csv or manifest.parquet"


def matches(source: Path, reading: Reading) -> bool:
    del reading
    table = table_of(source)
    return table is not None and table.suffix.lower() in (".csv", ".parquet")


def read(source: Path, reading: Reading) -> Imported:
    """Rows of a CSV or Parquet file; paths are relative to its folder, or all absolute."""
    table = table_of(source)
    assert table is not None
    return _table_rows(table, reading.path_column or "path")


def _table_rows(source: Path, path_column: str) -> Imported:
    if source.suffix.lower() == ".csv":
        frame, record = read_csv(source), None
    else:
        frame, metadata = read_parquet(source)
        record = written_record(metadata)
    if record is not None and "root" in record:  # a manifest this project wrote knows where its images lie
        notes = tuple(record["notes"])
        return Imported(frame, Path(record["root"]), record["name"], "group", keep_order=True, notes=notes)
    return _rows(frame, source, source.parent, path_column)


def frame_rows(frame: pd.DataFrame, reading: Reading) -> Imported:
    """Rows of a DataFrame; relative paths start in the current folder. Its index says nothing.

    Raises ManifestError.
    """
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ManifestError(f"{THE_FRAME}: column {twice[0]!r} appears more than once; rename one of them")
    cells = {name: frame.iloc[:, at].tolist() for at, name in enumerate(names)}
    return _rows(normalise_column_types(cells), THE_FRAME, Path.cwd(), reading.path_column or "path")


def _rows(frame: pd.DataFrame, source: Path, folder: Path, path_column: str) -> Imported:
    """folder: where relative paths start."""
    require(frame, (path_column,), source)
    if frame.empty:
        raise ManifestError(f"{source} has a header and no row; it needs a line per image")
    empty = frame.index[frame[path_column].isna()]
    if len(empty):
        raise ManifestError(f"{source}: column {path_column!r} is empty in row {empty[0] + 1}; fill it in")
    texts = [str(path).replace("\\", "/") for path in frame[path_column]]
    root, paths = _relative(source, folder, texts)
    group = "group" if "group" in frame else None
    return Imported(frame.assign(path=paths), root, source.stem, group)


def _relative(source: Path, folder: Path, paths: Sequence[str]) -> tuple[Path, list[str]]:
    absolute = [path for path in paths if posixpath.isabs(path)]
    if not absolute:
        return folder, [posixpath.normpath(path) for path in paths]
    if len(absolute) < len(paths):
        raise ManifestError(
            f"{source}: {len(absolute)} of {len(paths)} paths are absolute ({absolute[0]}); "
            f"make all of them absolute or all relative to {folder}"
        )
    root = posixpath.commonpath([posixpath.dirname(path) for path in paths])
    return Path(root), [posixpath.relpath(path, root) for path in paths]

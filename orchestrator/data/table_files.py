"""Tables on disk: CSV and Parquet in, Parquet out. A written file appears whole or not at all."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import ManifestError, StorageError
from orchestrator.data.scalars import Scalar, to_scalars, to_text

# No leading zeros, and digits that float64 holds exactly: "007" may be a name, a long number an id.
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})")
_DECIMAL = re.compile(r"-?\d+(\.\d+)?(e[-+]\d+)?")


def read_csv(path: Path) -> pd.DataFrame:
    """A CSV with a header line, UTF-8; columns as `normalise_column_types` makes them. Raises ManifestError.

    Only an empty cell is a missing value: "none" and "NA" are words somebody may have meant.
    """
    try:
        # csv and not pandas, which would make NA of texts; utf-8-sig because spreadsheets begin with a mark.
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} cannot be read as CSV in UTF-8 ({error}); save it as such") from None
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from None
    if not rows:
        raise ManifestError(f"{path} is empty; it needs a header line and one line per image")
    header = [name.strip() for name in rows[0]]
    _refuse_other_separators(path, header)
    _refuse_ragged(path, header, rows)
    columns = {name: [_parse(row[at]) for row in rows[1:]] for at, name in enumerate(header)}
    return normalise_column_types(columns)


def _refuse_other_separators(path: Path, header: Sequence[str]) -> None:
    found = next((mark for mark in (";", "\t") if len(header) == 1 and mark in header[0]), None)
    if found:
        raise ManifestError(f"{path}: its cells are separated by {found!r}; save it with commas")


def _refuse_ragged(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ManifestError(f"{path}: column {twice[0]!r} appears more than once; rename one of them")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise ManifestError(
                f"{path}: line {number} has {len(row)} cells, the header has {len(header)}; correct that line"
            )


def _parse(text: str) -> Scalar:
    """Numbers are kept as text here: whether a column is numeric is decided for the whole column."""
    return text.strip() or None


def read_parquet(path: Path, way_out: str = "write it anew") -> tuple[pd.DataFrame, dict[str, str]]:
    """The table, columns as `normalise_column_types` makes them, and the file's own metadata.

    Raises ManifestError, which ends with the way out.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ManifestError(f"{path} cannot be read as Parquet ({first_line}); {way_out}") from None
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return normalise_column_types(
        {name: table.column(name).to_pylist() for name in table.column_names}
    ), metadata


def write_parquet(path: Path, frame: pd.DataFrame, metadata: Mapping[str, Any]) -> None:
    """A table, with `metadata` as JSON under the key "orchestrator". Raises StorageError."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    write_table(path, table.replace_schema_metadata({"orchestrator": json.dumps(dict(metadata))}))


def write_table(path: Path, table: pa.Table) -> None:
    """As Parquet, whole or not at all. Raises StorageError."""
    try:
        with atomic_write(path) as file:
            pq.write_table(table, file)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; free space or choose another") from error


def written_record(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """What `write_parquet` was given, or None for a file of other make."""
    if "orchestrator" not in metadata:
        return None
    record: dict[str, Any] = json.loads(metadata["orchestrator"])
    return record


def normalise_column_types(columns: Mapping[str, Sequence[object]]) -> pd.DataFrame:
    """A frame whose columns are int64, float64, bool or text, whatever they were before. Idempotent.

    A column of texts becomes numeric if each is a number as Python writes it; with "007" or "1.10" in it,
    which may be somebody's name, all of it stays text.
    """
    return pd.DataFrame({name: _column(to_scalars(cells)) for name, cells in columns.items()})


def _column(cells: list[Scalar]) -> pd.Series[Any]:
    numbers = _numbers(cells)
    if numbers is None:
        if cells and all(isinstance(cell, bool) for cell in cells):
            return pd.Series(cells, dtype=bool)
        return pd.Series([to_text(cell) for cell in cells], dtype=object)
    if all(isinstance(number, int) for number in numbers):
        return pd.Series(numbers, dtype=np.int64)
    return pd.Series([np.nan if number is None else number for number in numbers], dtype=np.float64)


def _numbers(cells: Sequence[Scalar]) -> list[int | float | None] | None:
    """The cells as numbers, None for missing ones; None if a cell is not a number or none is present."""
    numbers = [None if cell is None else _number(cell) for cell in cells]
    present = [number for number in numbers if number is not None]
    expected = sum(cell is not None for cell in cells)
    return numbers if present and len(present) == expected else None


def _number(cell: Scalar) -> int | float | None:
    if isinstance(cell, bool) or cell is None:
        return None
    if isinstance(cell, int | float):
        return cell if abs(cell) < 2**53 else None  # beyond it float64 makes two ids one
    if _WHOLE.fullmatch(cell):
        return int(cell)
    return float(cell) if _DECIMAL.fullmatch(cell) and repr(float(cell)) == cell else None

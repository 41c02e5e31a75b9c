"""Tables on disk: delimited text, JSON lines, Parquet in, Parquet out. A written file appears whole or not at
all."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.core.json_text import parse_json
from orchestrator.core.regular_files import open_file
from orchestrator.core.text import composed, counted, shortened
from orchestrator.data.image_names import is_image
from orchestrator.data.json_records import records_of
from orchestrator.data.parquet_files import UNREADABLE, first_words, read_arrow, table_of, write_table
from orchestrator.data.scalars import Scalar, to_scalars, to_text

# No leading zeros, and digits that float64 holds exactly: "007" may be a name, a long number an id.
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})")
LONGEST_WHOLE = 10**15
"""From here on a text of digits alone is no number."""
JSON = (".jsonl", ".ndjson", ".json")
UNNAMED = "column_"
"""What the columns of a table without a header are called, with their numbers from 1."""
DELIMITERS = (",", ";", "\t", "|")
_HEAD, _HEAD_BYTES = 200, 2**18  # rows, and bytes, that tell what a table is about
_SEP_LINE = re.compile(r"\"?sep=(.)\"?", re.IGNORECASE)
_DECIMAL = re.compile(r"-?\d+(\.\d+)?(e[-+]\d+)?")


def read_table(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """A table by its suffix: Parquet with the file's own metadata, JSON lines, else delimited text.

    Raises ManifestError.
    """
    if path.suffix.lower() == ".parquet":
        return read_parquet(path)
    return (read_json(path) if path.suffix.lower() in JSON else read_csv(path)), {}


def read_csv(path: Path) -> pd.DataFrame:
    """Delimited text with a header line, UTF-8; columns as `normalise_column_types` makes them.

    A first line that names an image is no header: the columns are then called column_1, column_2 and so on.
    The delimiter is the one of , ; tab | that gives every line as many cells as the header, or what a first
    line sep= says. Only an empty cell is a missing value: "none" and "NA" are words somebody may have meant.
    Raises ManifestError.
    """
    return _frame(path, csv_rows(path))


def _frame(path: Path, rows: Sequence[tuple[int, list[str]]]) -> pd.DataFrame:
    header = [name.strip() for name in rows[0][1]]
    if any(map(is_image, header)):  # a list of files, which need no header
        header = [f"{UNNAMED}{at}" for at in range(1, len(header) + 1)]
        rows = [rows[0], *rows]
    _refuse_ragged(path, header, rows)
    columns = {name: [_parse(row[at]) for _, row in rows[1:]] for at, name in enumerate(header)}
    return normalise_column_types(columns)


def read_head(path: Path) -> pd.DataFrame:
    """The first rows of a table, of delimited text without reading all of it. Raises ManifestError."""
    if path.suffix.lower() == ".parquet" or path.suffix.lower() in JSON:
        return read_table(path)[0].head(_HEAD)
    rows = csv_rows(path, most=_HEAD_BYTES)
    is_cut = path.stat().st_size > _HEAD_BYTES and len(rows) > 2
    return _frame(path, rows[: _HEAD + 1][: len(rows) - is_cut])  # the last row may go on behind the cut


def csv_rows(path: Path, most: int | None = None) -> list[tuple[int, list[str]]]:
    """The header and every row that has a cell: the line at which it ends, from 1, and its cells.

    most: bytes to read, all by default. Raises ManifestError.
    """
    lines = list(io.StringIO(_text(path, "CSV", most), newline=""))
    said = _SEP_LINE.fullmatch(lines[0].strip()) if lines else None
    if said is not None:
        lines[0] = "\n"  # it counts as a line still
    try:
        rows = _split(lines, said[1] if said is not None else None)
    except csv.Error as error:
        raise ManifestError(f"{path} cannot be read as CSV in UTF-8 ({error}); save it as such") from None
    if not rows:
        raise ManifestError(f"{path} is empty; it needs a header line and one line per image")
    return rows


def read_json(path: Path) -> pd.DataFrame:
    """An object per line, a list of objects, or what `json_records` knows. A list in a cell is its items,
    separated by spaces.

    Raises ManifestError.
    """
    text = _text(path, "JSON")
    try:
        records = records_of(text)
    except ValueError as error:
        raise ManifestError(f"{path} cannot be read as JSON ({error}); write an object per line") from None
    if not records or not all(isinstance(item, dict) for item in records):
        raise ManifestError(
            f"{path} is no list of JSON objects; write an object per line, one for each image"
        )
    names = dict.fromkeys(name for item in records for name in item)
    columns = {str(name): [item.get(name) for item in records] for name in names}
    return normalise_column_types(_with_joined_lists(path, columns))


def _with_joined_lists(path: Path, columns: Mapping[str, Sequence[object]]) -> dict[str, list[object]]:
    """A list in a cell as its items, separated by spaces. Raises ManifestError for items with a space."""
    return {name: [_joined(path, name, cell) for cell in cells] for name, cells in columns.items()}


def _joined(path: Path, column: str, cell: object) -> object:
    if not isinstance(cell, list):
        return cell
    items = [str(item) for item in cell]
    spaced = next((item for item in items if " " in item), None)
    if spaced is not None and len(items) > 1:
        raise ManifestError(
            f"{path}: column {column!r} has a list with a space in its item {spaced!r}, and lists are read "
            "as their items separated by spaces; write it as text with another separator"
        )
    return " ".join(items)


def _text(path: Path, kind: str, most: int | None = None) -> str:
    """Of a file in UTF-8, or in UTF-16 with the mark that spreadsheets begin it with.

    most: bytes to read, whose last line is cut off. Raises ManifestError.
    """
    try:
        with open_file(path) as file:
            data = file.read() if most is None else file.read(most)
            is_wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
            data = data + file.read() if is_wide or b"\n" not in data else data
        if most is not None and len(data) == most:
            data = data[: data.rfind(b"\n") + 1]
        if b"\0" in data and not is_wide:
            raise ManifestError(f"{path} holds no text; a table is CSV, TSV, JSON lines or Parquet")
        return data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} cannot be read as {kind} in UTF-8 ({error}); save it as such") from None
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from None


def _split(lines: Sequence[str], delimiter: str | None) -> list[tuple[int, list[str]]]:
    """Rows by the first delimiter that gives all of them as many cells, else by the first in the header.

    Spaces are one where a line begins with the name of an image and has no other: a.png 3.
    """
    header = next((line for line in lines if line.strip()), "")
    is_list = is_image(header.split(" ")[0]) and not any(mark in header for mark in DELIMITERS)
    if is_list and delimiter is None:
        delimiter, lines = " ", [f"{line.strip()}\n" for line in lines]
    marks = [delimiter] if delimiter else [mark for mark in DELIMITERS if mark in header] or [","]
    tables = [_rows(lines, mark) for mark in marks]
    return next((table for table in tables if len({len(row) for _, row in table}) == 1), tables[0])


def _rows(lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    return [(reader.line_num, row) for row in reader if row not in ([], [""])]


def _refuse_ragged(path: Path, header: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ManifestError(f"{path}: column {twice[0]!r} appears more than once; rename one of them")
    wrong = [(number, len(row)) for number, row in rows[1:] if len(row) != len(header)]
    if wrong:
        number, cells = wrong[0]
        others = shortened([str(other) for other, _ in wrong[1:]], 8)
        more = f" and {counted(len(wrong) - 1, 'other')}, {others}" if others else ""
        raise ManifestError(
            f"{path}: line {number} has {cells} cells, the header has {len(header)}; correct that line{more}"
        )


def _parse(text: str) -> Scalar:
    """Numbers are kept as text here: whether a column is numeric is decided for the whole column."""
    return text.strip() or None


def read_parquet(path: Path, way_out: str = "write it anew") -> tuple[pd.DataFrame, dict[str, str]]:
    """The table, columns as `normalise_column_types` makes them, and the file's own metadata.

    Raises ManifestError, which ends with the way out.
    """
    try:
        table = read_arrow(path)
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
    except UNREADABLE as error:
        raise ManifestError(f"{path} cannot be read as Parquet ({first_words(error)}); {way_out}") from None
    return normalise_column_types(_with_joined_lists(path, columns)), metadata


def write_parquet(path: Path, frame: pd.DataFrame, metadata: Mapping[str, Any]) -> None:
    """A table, with `metadata` as JSON under the key "orchestrator". Raises StorageError."""
    table = table_of(frame)
    write_table(path, table.replace_schema_metadata({"orchestrator": json.dumps(dict(metadata))}))


def written_record(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """What `write_parquet` was given, or None for a file of other make."""
    try:
        record = parse_json(metadata.get("orchestrator", ""))
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def normalise_column_types(columns: Mapping[str, Sequence[object]]) -> pd.DataFrame:
    """A frame whose columns are int64, float64, bool or text, whatever they were before. Idempotent.

    A column of texts becomes numeric if each is a number as Python writes it; with "007" or "1.10" in it,
    which may be somebody's name, all of it stays text.
    """
    return pd.DataFrame({name: _column(to_scalars(cells)) for name, cells in columns.items()})


def composed_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """With every accent of a text in one character with its letter: classes that print alike become one."""
    texts = {str(name): frame[name].tolist() for name in frame.columns if frame[name].dtype == object}
    changed = {
        name: pd.Series([composed(cell) if isinstance(cell, str) else cell for cell in cells], dtype=object)
        for name, cells in texts.items()
    }
    return frame.assign(**changed) if changed else frame


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

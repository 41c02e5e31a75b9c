"""What --labels says of rows that were read already: a table that joins them, or names of the classes.

A table joins by the column that names the images, else by a column that both have, such as a patient's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.core.json_text import parse_json
from orchestrator.core.regular_files import read_file
from orchestrator.core.text import composed, counted, shortened
from orchestrator.data.importers.contract import Imported
from orchestrator.data.importers.image_column import FileIndex, normalised
from orchestrator.data.scalars import Scalar, to_scalars, to_text
from orchestrator.data.splits import split_column
from orchestrator.data.table_files import JSON, composed_texts, normalise_column_types, read_table

_STRUCTURE = ("path", "group", "role")


@dataclass(frozen=True)
class _Join:
    """rows[i]: the row of the table that says something of image row i, None where none does."""

    column: str
    rows: list[int | None]
    what: str  # "file names", or "the column of that name"

    @property
    def matched(self) -> int:
        return sum(row is not None for row in self.rows)


def with_labels(rows: Imported, file: Path) -> Imported:
    """The rows with the columns of the file. Raises ManifestError."""
    names = _class_names(file)
    if names is not None:
        return _named(rows, names, file)
    table = composed_texts(read_table(file)[0]).drop_duplicates(ignore_index=True)
    if table.empty:
        raise ManifestError(f"--labels {file} has a header and no row; it needs a line per image")
    join = _by_files(rows, table, file) or _by_column(rows, table, file)
    if join is None:
        pairs = _pairs(table) or {}
        headless = (
            {**pairs, str(table.columns[0]): str(table.columns[1])} if pairs else {}
        )  # its first line is a class too
        for names in (pairs, headless):
            if names and _numbered(rows.frame, names):
                return _named(rows, names, file)
        raise ManifestError(
            f"--labels {file}: no column names the images ({rows.frame['path'].iloc[0]}, ...) and none is in "
            f"both; it has {', '.join(map(str, table.columns))}"
        )
    return _joined(rows, table, join, file)


# ---- names of classes -------------------------------------------------------------------------------


def _class_names(file: Path) -> dict[str, str] | None:
    """Of a JSON object such as {"0": "healthy", "1": "rust"}."""
    if file.suffix.lower() not in JSON:
        return None
    try:
        found = parse_json(read_file(file).decode("utf-8-sig"))
    except (ValueError, OSError):
        return None  # as a table it is refused with its reason
    if not isinstance(found, dict) or not all(isinstance(cell, str | int) for cell in found.values()):
        return None
    return {composed(str(key)): composed(str(value)) for key, value in found.items()}


def _pairs(table: pd.DataFrame) -> dict[str, str] | None:
    """Of a table of two columns: a class and its name."""
    if len(table.columns) != 2:
        return None
    first, second = ([to_text(cell) or "" for cell in to_scalars(table[name])] for name in table.columns)
    return dict(zip(first, second, strict=True)) if len(set(first)) == len(first) else None


def _named(rows: Imported, names: Mapping[str, str], file: Path) -> Imported:
    """With a column of names beside that of classes, whose own cells stay as the data write them."""
    found = _numbered(rows.frame, names)
    if not found and len(set(names.values())) == len(names):  # the class of each name, the other way about
        reverse = {name: key for key, name in names.items()}
        found = _numbered(rows.frame, reverse)
        names = reverse if found else names
    column = "label" if "label" in found else next(iter(found), None)
    if column is None:
        raise ManifestError(
            f"--labels {file}: it names the classes {shortened(list(names), 5)}, and no column has only "
            f"these; the data have {', '.join(str(name) for name in rows.frame.columns if name != 'path')}"
        )
    if len(found) > 1 and column != "label":
        raise ManifestError(
            f"--labels {file}: its names fit the columns {' and '.join(found)}; rename the one that is "
            "meant to label"
        )
    cells = [None if cell is None else names[str(to_text(cell))] for cell in to_scalars(rows.frame[column])]
    present = len({cell for cell in cells if cell is not None})
    line = (
        f"labels: {file.name} names the classes of column {column}, {present} of its {len(names)}: "
        f"column {column}_name"
    )
    frame = rows.frame.assign(**{f"{column}_name": pd.Series(cells, dtype=object)})
    return replace(rows, frame=frame, found=(*rows.found, line))


def _numbered(frame: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """The columns whose every cell is one of the named classes."""
    found = []
    for name in frame.columns:
        cells = {to_text(cell) for cell in to_scalars(frame[name])} - {None}
        if cells and name not in _STRUCTURE and cells <= names.keys():
            found.append(str(name))
    return found


# ---- tables that join -------------------------------------------------------------------------------


def _by_files(rows: Imported, table: pd.DataFrame, file: Path) -> _Join | None:
    """By the column most of whose values name images of the rows, if most of them do."""
    paths = rows.frame["path"].tolist()
    files = FileIndex(paths, rows.root)
    hits = {str(name): _hits(table, str(name), files) for name in table.columns}
    matched = {name: len(set(found.values())) for name, found in hits.items()}
    most = max(matched.values(), default=0)
    if 2 * most < min(len(table), len(paths)) or not most:
        return None
    first, *others = [name for name, number in matched.items() if number == most]
    different = [name for name in others if hits[name] != hits[first]]
    if different:
        raise ManifestError(
            f"--labels {file}: columns {first} and {different[0]} both name images; remove one of them"
        )
    said = _once(hits[first], table, f"--labels {file}", [str(path) for path in paths])
    return _Join(first, [said.get(at) for at in range(len(paths))], "file names")


def _hits(table: pd.DataFrame, column: str, files: FileIndex) -> dict[int, int]:
    """Row of the table -> the one image that its value names."""
    cells = enumerate(to_scalars(table[column]))
    found = {row: files.matching(normalised(to_text(cell)), None) for row, cell in cells if cell is not None}
    return {row: at[0] for row, at in found.items() if len(at) == 1}


def _by_column(rows: Imported, table: pd.DataFrame, file: Path) -> _Join | None:
    """By the column that both have and that says another thing in each row of the table."""
    both = [str(name) for name in table.columns if name in rows.frame and table[name].is_unique]
    fitting = {name: _same(rows.frame, table, name) for name in both}
    found = {name: said for name, said in fitting.items() if any(row is not None for row in said)}
    if len(found) > 1:
        raise ManifestError(
            f"--labels {file}: columns {' and '.join(found)} are in both and could join them; rename all but "
            "one"
        )
    return next((_Join(name, said, f"column {name}") for name, said in found.items()), None)


def _same(frame: pd.DataFrame, table: pd.DataFrame, column: str) -> list[int | None]:
    at = {to_text(cell): row for row, cell in enumerate(to_scalars(table[column])) if cell is not None}
    return [at.get(to_text(cell)) for cell in to_scalars(frame[column])]


def _once(hits: Mapping[int, int], table: pd.DataFrame, where: str, paths: Sequence[str]) -> dict[int, int]:
    """Image -> its one row of the table."""
    said: dict[int, int] = {}
    for row, at in hits.items():
        earlier = said.setdefault(at, row)
        if earlier == row:
            continue
        one, other = (
            {str(name): to_scalars(table[name])[each] for name in table.columns} for each in (earlier, row)
        )
        differs = next((name for name in one if one[name] != other[name]), None)
        if differs is not None:
            raise ManifestError(
                f"{where}: rows {earlier + 1} and {row + 1} are both of {paths[at]} and differ: {differs} is "
                f"{one[differs]!r} and {other[differs]!r}; keep one of them"
            )
    return said


def _joined(rows: Imported, table: pd.DataFrame, join: _Join, file: Path) -> Imported:
    """A column that both have must say the same wherever both say something."""
    added: dict[str, list[Scalar]] = {}
    for name in table.columns:
        cells = to_scalars(table[name])
        said = [None if row is None else cells[row] for row in join.rows]
        if name == join.column and name in rows.frame:
            continue
        added[str(name)] = _merged(rows.frame, str(name), said, file) if name in rows.frame else said
    frame = rows.frame.drop(columns=["role"]) if rows.unlabelled and join.matched else rows.frame
    frame = pd.concat([frame.drop(columns=[*added], errors="ignore"), normalise_column_types(added)], axis=1)
    if rows.unlabelled and join.matched:
        frame = _only_the_labelled_train(frame, join, file)
    used = len({row for row in join.rows if row is not None})
    images = counted(len(frame), "image")
    line = f"labels: {file.name} joined on {join.column} ({join.what}): {join.matched} of {images}"
    left = [
        *(
            [f"{counted(len(frame) - join.matched, 'image')} in no row of it"]
            if join.matched < len(frame)
            else []
        ),
        *([f"{counted(len(table) - used, 'row')} of no image"] if used < len(table) else []),
    ]
    return replace(rows, frame=frame, found=(*rows.found, "; ".join([line, *left])), unlabelled=False)


def _merged(frame: pd.DataFrame, name: str, said: Sequence[Scalar], file: Path) -> list[Scalar]:
    own = to_scalars(frame[name])
    for row, (here, there) in enumerate(zip(own, said, strict=True)):
        if here is not None and there is not None and to_text(here) != to_text(there):
            raise ManifestError(
                f"--labels {file}: column {name!r} is {there!r} for {frame['path'].iloc[row]}, whose own "
                f"data say {here!r}; correct one of them, or rename the column"
            )
    return [there if here is None else here for here, there in zip(own, said, strict=True)]


def _only_the_labelled_train(frame: pd.DataFrame, join: _Join, file: Path) -> pd.DataFrame:
    """Images that no row speaks of have nothing to train on: they are there to be predicted."""
    silent = pd.Series([row is None for row in join.rows])
    column = "role" if "role" in frame else split_column(frame[~silent].reset_index(drop=True), file)
    if column is None:
        return frame.assign(role=["test" if none else "train" for none in silent])
    return frame.assign(**{column: frame[column].mask(silent, "test")})

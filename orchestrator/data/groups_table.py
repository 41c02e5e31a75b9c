"""The rows of a manifest as a table that `--data` takes again, with their groups joined."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import StorageError
from orchestrator.data.extra_rows import paths_below
from orchestrator.data.manifest import Manifest, given_groups, group_columns
from orchestrator.data.quality.joined_groups import Codes, with_joined_groups
from orchestrator.data.scalars import Scalar, to_scalars, to_text
from orchestrator.data.table_files import LONGEST_WHOLE, write_parquet


def with_groups(manifest: Manifest, codes: Codes, names: Sequence[str] | None = None) -> Manifest:
    """Rows with equal codes share a group, in the column group and in those that the groups came from.

    names (n,): groups in place of each row's own, where nothing gives any.
    """
    frame = manifest.frame
    given = frame.assign(group=pd.Series(given_groups(frame), index=frame.index, dtype=object))
    grouped = given["group"].nunique() < len(given)
    columns = group_columns(given) if grouped else []
    if names is not None and not grouped:
        frame = frame.assign(group=pd.Series(list(names), index=frame.index, dtype=object))
    return with_joined_groups(Manifest(frame, manifest.root, manifest.name), codes, columns)


def write_rows(path: Path, manifest: Manifest) -> None:
    """As CSV, or as Parquet by the suffix; images' paths are relative to the table. Raises StorageError.

    In CSV a column of decimals has a point in every number: 0.0 stays 0.0, and 2 beside 1.5 is 2.0.
    """
    paths = paths_below(path.absolute().parent, manifest)
    frame = manifest.frame.assign(path=pd.Series(paths, index=manifest.frame.index, dtype=object))
    if path.suffix.lower() == ".parquet":
        write_parquet(path, frame, {})
        return
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(frame.columns)
    table.writerows(zip(*(_written(frame[name]) for name in frame.columns), strict=True))
    try:
        with atomic_write(path) as file:
            file.write(text.getvalue().encode())
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; choose another place") from error


def _written(column: pd.Series[Any]) -> list[str]:
    """Each cell as text, "" where it is missing."""
    cells = to_scalars(column)
    if column.dtype == np.float64 and not _is_whole_with_gaps(cells):
        return ["" if cell is None else repr(float(value)) for cell, value in zip(cells, column, strict=True)]
    return [to_text(cell) or "" for cell in cells]


def _is_whole_with_gaps(cells: Sequence[Scalar]) -> bool:
    """Whether only missing cells made floats of whole numbers. Longer ones are floats: as digits alone they
    would be read as names."""
    return None in cells and all(
        cell is None or (isinstance(cell, int) and abs(cell) < LONGEST_WHOLE) for cell in cells
    )

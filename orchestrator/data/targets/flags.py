"""Columns of 0 and 1, one for each label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.data.scalars import to_scalars
from orchestrator.data.targets.cells import (
    missing_to_json,
    number_of,
    refuse_missing,
    refuse_no_column,
    refuse_values,
    value_key,
)
from orchestrator.data.targets.changes import NO_CHANGES, Changes
from orchestrator.data.targets.contract import TargetBase

_FLAGS = {"0": 0, "1": 1}


@dataclass(frozen=True)
class FlagColumns(TargetBase):
    """A target read from a column of 0 and 1 for each of its classes or labels."""

    name: str
    columns: tuple[str, ...]
    missing: str = "error"
    changes: Changes = NO_CHANGES

    KIND: ClassVar[str]  # in JSON
    ordered = False
    is_open = False

    @property
    def classes(self) -> tuple[str, ...]:
        return self.changes.classes(self.columns)

    def resolve(self, frame: pd.DataFrame) -> Self:
        return self

    def flags(self, frame: pd.DataFrame) -> Labels:
        """As `flags_of`."""
        return flags_of(frame, self.columns, self.name)

    def refuse_missing(self, frame: pd.DataFrame, flags: Labels) -> None:
        """Raises ManifestError for the first column with a missing cell. flags (n, columns)."""
        for index, column in enumerate(self.columns):
            refuse_missing(frame, column, flags[:, index] < 0)

    def to_json(self) -> dict[str, Any]:
        record = {"kind": self.KIND, "name": self.name, "columns": list(self.columns)}
        return {**record, **missing_to_json(self.missing), **self.changes.to_json()}


def flags_of(frame: pd.DataFrame, columns: Sequence[str], target: str) -> Labels:
    """(n, columns) of 0 and 1, -1 where a cell is missing. True and 1.0 are 1.

    Where every cell of these columns is -1 or 1, -1 is 0; beside a 0 or an empty cell it would mean something
    else. Raises ManifestError naming the first cell that is neither.
    """
    for column in columns:
        refuse_no_column(frame, column, target)
    found, wrong = map(np.column_stack, zip(*(_flags(frame[column]) for column in columns), strict=True))
    if not wrong.any():
        return np.asarray(found, np.int64)
    if _are_signs(frame, columns, found, wrong):
        return np.asarray(np.maximum(found, 0), np.int64)
    for index, column in enumerate(columns):
        refuse_values(frame, column, to_scalars(frame[column]), wrong[:, index], "must be 0 or 1")
    raise AssertionError("a wrong cell is refused")


def _are_signs(frame: pd.DataFrame, columns: Sequence[str], found: Labels, wrong: NDArray[np.bool_]) -> bool:
    """Whether each cell is 1 or -1."""
    cells = {value_key(cell) for index, name in enumerate(columns) for cell in frame[name][wrong[:, index]]}
    return cells == {"-1"} and bool(((found == 1) | wrong).all())


def _flags(column: pd.Series[Any]) -> tuple[Labels, NDArray[np.bool_]]:
    """(n,) each: 0, 1, or -1 for a missing cell; whether the cell is anything else."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":  # sets have millions of such cells
        values = column.to_numpy(np.float64)
        missing = np.isnan(values)
        wrong = ~missing & (values != 0) & (values != 1)
        return np.where(missing | wrong, -1, values).astype(np.int64), wrong
    cells = to_scalars(column)
    flags = np.array([number_of(value_key(cell), _FLAGS) for cell in cells], np.int64)
    return flags, np.array([cell is not None for cell in cells], np.bool_) & (flags < 0)

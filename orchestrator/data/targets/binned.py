"""A number cut into ordered bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import SearchSpaceError
from orchestrator.data.targets.cells import (
    Missing,
    as_number,
    cells_of,
    check_missing,
    missing_of,
    missing_to_json,
    refuse_values,
)
from orchestrator.data.targets.contract import TargetBase


@dataclass(frozen=True)
class Binned(TargetBase):
    """A number cut into ordered bins: bin i holds edges[i - 1] <= value < edges[i]. Values are at least 0."""

    name: str
    column: str
    edges: tuple[float, ...]
    missing: str = "error"

    ordered = True
    multi_label = False
    is_open = False

    def __post_init__(self) -> None:
        check_missing(self.name, self.missing, has_negative=False)
        if not self.edges:
            raise SearchSpaceError(f"target {self.name!r}: edges=[] makes one class; give at least one edge")
        rising = all(low < high for low, high in pairwise(self.edges))
        if not rising or not all(math.isfinite(edge) and edge > 0 for edge in self.edges):
            raise SearchSpaceError(
                f"target {self.name!r}: edges={list(self.edges)} must be above 0 and rise; "
                "write them like [30, 60]"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        between = (_between(low, high) for low, high in pairwise(self.edges))
        return (f"<{_short(self.edges[0])}", *between, f">={_short(self.edges[-1])}")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def resolve(self, frame: pd.DataFrame) -> Binned:
        return self

    def encode(self, frame: pd.DataFrame) -> Labels:
        """Class numbers (n,). Raises ManifestError naming the first value that is not a number >= 0."""
        cells = cells_of(frame, self.column, self.name)
        numbers = np.array([as_number(cell) for cell in cells], dtype=np.float64)
        refuse_values(frame, self.column, cells, np.isnan(numbers), "must be a number of at least 0")
        return np.searchsorted(np.asarray(self.edges), numbers, side="right").astype(np.int64)

    def excluded(self, frame: pd.DataFrame) -> Missing:
        return missing_of(cells_of(frame, self.column, self.name)) & (self.missing == "drop")

    def to_json(self) -> dict[str, Any]:
        record = {"kind": "binned", "name": self.name, "column": self.column, "edges": list(self.edges)}
        return {**record, **missing_to_json(self.missing)}


def age_bins(
    edges: Sequence[float], column: str = "age", name: str = "age", missing: str = "error"
) -> Binned:
    """Ordered bins of a number: `age_bins([30, 60])` has the classes <30, 30-59, >=60.

    missing: "error", or "drop" to leave out rows without the number. Raises SearchSpaceError.
    """
    return Binned(name, column, tuple(edges), missing)


def _short(edge: float) -> str:
    return f"{edge:g}"


def _between(low: float, high: float) -> str:
    if float(low).is_integer() and float(high).is_integer():
        return f"{_short(low)}-{_short(high - 1)}" if high - low > 1 else _short(low)
    return f"{_short(low)} to <{_short(high)}"

"""Targets: functions from a manifest's columns to class numbers.

A target is data (`to_json`, `target_from_json`), so that a study records exactly what it was judged on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.dataset import Factor
from orchestrator.core.errors import ManifestError, SearchSpaceError
from orchestrator.data.scalars import Scalar, to_scalars, to_text


@dataclass(frozen=True)
class Binned:
    """A number cut into ordered bins: bin i holds edges[i - 1] <= value < edges[i]. Values are at least 0."""

    name: str
    column: str
    edges: tuple[float, ...]

    def __post_init__(self) -> None:
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
    def ordered(self) -> bool:
        return True

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def encode(self, frame: pd.DataFrame) -> Labels:
        """Class numbers (n,). Raises ManifestError naming the first value that is not a number >= 0."""
        cells = _cells(frame, self.column, self.name)
        numbers = np.array([_as_number(cell) for cell in cells], dtype=np.float64)
        _refuse(frame, self.column, cells, np.isnan(numbers), "must be a number of at least 0")
        return np.searchsorted(np.asarray(self.edges), numbers, side="right").astype(np.int64)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "binned", "name": self.name, "column": self.column, "edges": list(self.edges)}


@dataclass(frozen=True)
class Categorical:
    """A column whose values are the classes, compared as text (3 and 3.0 are "3")."""

    name: str
    column: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise SearchSpaceError(
                f"target {self.name!r}: classes={list(self.classes)} must be two or more, each once"
            )

    @property
    def ordered(self) -> bool:
        return False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def encode(self, frame: pd.DataFrame) -> Labels:
        """Class numbers (n,). Raises ManifestError naming the first value that is no class."""
        cells = _cells(frame, self.column, self.name)
        number = {label: index for index, label in enumerate(self.classes)}
        labels = np.array([number.get(to_text(cell) or "", -1) for cell in cells], dtype=np.int64)
        _refuse(frame, self.column, cells, labels < 0, f"must be one of {', '.join(self.classes)}")
        return labels

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "categorical",
            "name": self.name,
            "column": self.column,
            "classes": list(self.classes),
        }


@dataclass(frozen=True)
class Joint:
    """Several targets as one label in mixed radix, the first part most significant."""

    name: str
    parts: tuple[Target, ...]

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if len(names) < 2 or len(set(names)) != len(names):
            raise SearchSpaceError(
                f"joint target {self.name!r}: parts {names} must be two or more, each once"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(part.classes) for part in self.parts)

    @property
    def classes(self) -> tuple[str, ...]:
        labels: tuple[str, ...] = self.parts[0].classes
        for part in self.parts[1:]:
            labels = tuple(f"{left}/{right}" for left in labels for right in part.classes)
        return labels

    @property
    def ordered(self) -> bool:
        return False

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for part in self.parts for column in part.columns))

    def encode(self, frame: pd.DataFrame) -> Labels:
        """Class numbers (n,) in [0, product of the parts' sizes). Raises ManifestError."""
        return mixed_radix([part.encode(frame) for part in self.parts], self.sizes)

    def combine(self, probabilities: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """Product of the parts' probabilities. [(n, C_i), ...] -> (n, prod C_i) in the order of `classes`.

        Exact when the parts are independent given the image. Raises ValueError for shapes that don't fit.
        """
        shapes = [np.shape(part) for part in probabilities]
        if not shapes or shapes != [(shapes[0][0], size) for size in self.sizes]:
            raise ValueError(f"joint target {self.name!r} needs (n, C) for C in {self.sizes}, not {shapes}")
        product = np.asarray(probabilities[0], dtype=np.float64)
        for part in probabilities[1:]:
            product = (product[:, :, None] * np.asarray(part)[:, None, :]).reshape(len(product), -1)
        return product

    def to_json(self) -> dict[str, Any]:
        return {"kind": "joint", "name": self.name, "parts": [part.to_json() for part in self.parts]}


Target = Binned | Categorical | Joint
Given = tuple[Target, str]
"""A target and the class of it that holds."""


def age_bins(edges: Sequence[float], column: str = "age", name: str = "age") -> Binned:
    """Ordered bins of a number: `age_bins([30, 60])` has the classes <30, 30-59, >=60.

    Raises SearchSpaceError.
    """
    return Binned(name, column, tuple(edges))


def categorical(column: str, classes: Sequence[str], name: str | None = None) -> Categorical:
    """The classes are the values of `column`, in this order. Raises SearchSpaceError."""
    return Categorical(name or column, column, tuple(str(label) for label in classes))


def joint(*parts: Target, name: str | None = None) -> Joint:
    """One label for all parts: `joint(mask, gender, age)` is mask*6 + gender*3 + age. SearchSpaceError."""
    return Joint(name or "_".join(part.name for part in parts), parts)


def factors_of(target: Target) -> tuple[Factor, ...]:
    """The parts of a target in the order of its mixed radix; a single one is its own part."""
    if isinstance(target, Joint):
        return tuple(factor for part in target.parts for factor in factors_of(part))
    edges = target.edges if isinstance(target, Binned) else None
    return (Factor(target.name, target.classes, target.column, edges),)


def target_from_json(record: Mapping[str, Any]) -> Target:
    """Inverse of `to_json`. Raises SearchSpaceError for a kind that does not exist."""
    kind = record.get("kind")
    if kind == "binned":
        return Binned(record["name"], record["column"], tuple(record["edges"]))
    if kind == "categorical":
        return Categorical(record["name"], record["column"], tuple(record["classes"]))
    if kind == "joint":
        return Joint(record["name"], tuple(target_from_json(part) for part in record["parts"]))
    raise SearchSpaceError(f"target kind {kind!r} is not known; use binned, categorical or joint")


def given_text(given: Given) -> str:
    """Such as "gender=female"."""
    return f"{given[0].name}={given[1]}"


def given_to_json(given: Given) -> dict[str, Any]:
    return {"target": given[0].to_json(), "class": given[1]}


def given_from_json(record: Mapping[str, Any] | None) -> Given | None:
    """Inverse of `given_to_json`; None stays None. Raises SearchSpaceError as `target_from_json`."""
    return None if record is None else (target_from_json(record["target"]), str(record["class"]))


def mixed_radix(digits: Sequence[Labels], sizes: Sequence[int]) -> Labels:
    """One number per row out of several, the first most significant. digits: (n,) each in [0, size)."""
    number = np.zeros_like(digits[0])
    for digit, size in zip(digits, sizes, strict=True):
        number = number * size + digit
    return number


# ---- cells and refusals ---------------------------------------------------------------------------


def _cells(frame: pd.DataFrame, column: str, target: str) -> list[Scalar]:
    if column not in frame:
        raise ManifestError(
            f"column {column!r}, which target {target!r} needs, is not in the manifest; "
            f"it has {', '.join(map(str, frame.columns))}"
        )
    return to_scalars(frame[column])


def _as_number(cell: Scalar) -> float:
    """NaN for what is no number of at least 0."""
    if cell is None or isinstance(cell, bool):
        return math.nan
    try:
        number = float(cell)
    except ValueError:
        return math.nan
    return number if 0 <= number < math.inf else math.nan


def _refuse(
    frame: pd.DataFrame, column: str, cells: Sequence[Scalar], bad: NDArray[np.bool_], rule: str
) -> None:
    if not bad.any():
        return
    first = int(np.flatnonzero(bad)[0])
    cell = cells[first]
    found = "a missing value" if cell is None else f"value {cell!r}"
    where = f"row {first + 1}" + (f", {frame['path'].iloc[first]}" if "path" in frame else "")
    more = f", and {int(bad.sum()) - 1} more rows" if bad.sum() > 1 else ""
    raise ManifestError(
        f"column {column!r} has {found} ({where}{more}): it {rule}; correct these rows or leave them out"
    )


def _short(edge: float) -> str:
    return f"{edge:g}"


def _between(low: float, high: float) -> str:
    if float(low).is_integer() and float(high).is_integer():
        return f"{_short(low)}-{_short(high - 1)}" if high - low > 1 else _short(low)
    return f"{_short(low)} to <{_short(high)}"

"""One cell of a table as a plain value, the same whatever type pandas gave its column.

A column of whole numbers becomes float64 as soon as one value is missing, text is `object` in pandas 2 and
`str` in pandas 3: labels, groups and fingerprints must not notice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Scalar = str | int | float | bool | None


def to_scalar(value: object) -> Scalar:
    """None for a missing value; 3.0 and numpy's 3 as 3; dates in ISO form; anything else as text."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return _number(float(value))
    return value.isoformat() if isinstance(value, date) else str(value)


def _number(value: float) -> Scalar:
    if math.isnan(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def to_scalars(values: Iterable[object]) -> list[Scalar]:
    """`to_scalar` of each; an empty text counts as missing."""
    return [None if cell == "" else cell for cell in map(to_scalar, values)]


def to_text(cell: Scalar) -> str | None:
    """The cell as text, None when it is missing: 3 and 3.0 are both "3"."""
    return None if cell is None else str(cell)


def columns_of(frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Each column as an array (n,): float64 where every value is a number or missing (NaN), else text
    (missing: "")."""
    return {str(name): _array(to_scalars(frame[name])) for name in frame.columns if name != "path"}


def _array(cells: list[Scalar]) -> NDArray[Any]:
    if all(cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool)) for cell in cells):
        return np.array([math.nan if cell is None else cell for cell in cells], np.float64)
    return np.array([to_text(cell) or "" for cell in cells], np.str_)

"""Cells of a table as values of a class, whatever pandas made of them, and the refusals that name a cell."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.errors import ManifestError, SearchSpaceError
from orchestrator.core.text import suggestion
from orchestrator.data.scalars import Scalar, to_scalar, to_scalars

MISSING = ("error", "drop", "negative")
"""What a row without a label may mean."""
Missing = NDArray[np.bool_]

_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))(?:\.0)?")  # not "01" nor "1.10": they may be names
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_TWINS = {"1": "True", "0": "False", "True": "1", "False": "0"}


def value_key(value: object) -> str | None:
    """What two spellings of one class share: 1, 1.0, "1" and "1.0" are "1"; None for a missing value."""
    cell = to_scalar(value)
    if cell is None or isinstance(cell, bool):
        return None if cell is None else str(cell)
    text = str(cell).strip()
    if text.lower() in ("true", "false"):
        return text.capitalize()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text or None


def number_of(key: str | None, numbers: Mapping[str, int]) -> int:
    """The class of a `value_key`, -1 for none. True and 1, False and 0 stand in for each other."""
    if key is None:
        return -1
    return numbers.get(key, numbers.get(_TWINS.get(key, key), -1))


def is_number(key: str) -> bool:
    return _NUMBER.fullmatch(key) is not None


def in_order(keys: Iterable[str]) -> list[str]:
    """Numbers as numbers, anything else as text."""
    names = list(keys)
    return (
        sorted(names, key=lambda name: (float(name), name)) if all(map(is_number, names)) else sorted(names)
    )


def cells_of(frame: pd.DataFrame, column: str, target: str) -> list[Scalar]:
    """The cells of one column. Raises ManifestError where there is no such column."""
    refuse_no_column(frame, column, target)
    return to_scalars(frame[column])


def missing_of(cells: Sequence[Scalar]) -> Missing:
    """(n,): whether each is missing."""
    return np.array([cell is None for cell in cells], np.bool_)


def missing_to_json(rule: str) -> dict[str, str]:
    """Empty for "error": such targets keep the fingerprints they had in version 0.2."""
    return {} if rule == "error" else {"missing": rule}


def training_rows(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,): the rows that classes are read from, with role train or extra: all that models learn from."""
    return (frame["role"] != "test").to_numpy() if "role" in frame else np.ones(len(frame), np.bool_)


def spelled(column: pd.Series[Any], values: Sequence[str]) -> tuple[str, ...]:
    """Each class as the table wrote it. column: all of it, since one missing cell makes floats of numbers."""
    # A column of whole numbers written without decimals would hold integers.
    decimals = pd.api.types.is_float_dtype(column.dtype) and not column.isna().any()
    cells = column.tolist() if decimals else to_scalars(column)
    found = {value_key(cell) or "": str(cell).strip() for cell in reversed(cells)}
    return tuple(_spelling(value, found) for value in values)


def _spelling(value: str, found: Mapping[str, str]) -> str:
    key = value_key(value) or ""
    return found.get(key) or found.get(_TWINS.get(key, key), value)


def as_number(cell: Scalar) -> float:
    """NaN for what is no number of at least 0."""
    if cell is None or isinstance(cell, bool):
        return math.nan
    try:
        number = float(cell)
    except ValueError:
        return math.nan
    return number if 0 <= number < math.inf else math.nan


# ---- refusals -------------------------------------------------------------------------------------


def check_missing(target: str, missing: str, has_negative: bool) -> None:
    """Raises SearchSpaceError for a rule that does not exist or that this target cannot have."""
    if missing not in MISSING:
        raise SearchSpaceError(
            f"target {target!r}: missing={missing!r} is no rule; use one of {', '.join(MISSING)}"
        )
    if missing == "negative" and not has_negative:
        raise SearchSpaceError(
            f"target {target!r}: missing='negative' is for binary and multi-label targets, with a negative "
            "class; use 'drop' or 'error'"
        )


def refuse_missing(frame: pd.DataFrame, column: str, bad: Missing) -> None:
    """Raises ManifestError where a label is missing: which rows, and the ways out."""
    if bad.any():
        raise ManifestError(
            f"column {column!r} has a missing value ({place_of(frame, bad)}): fill it in, or say in the "
            "target what it means: missing='drop' leaves such rows out, missing='negative' counts them as "
            "negative (binary and multi-label targets)"
        )


def refuse_values(
    frame: pd.DataFrame, column: str, cells: Sequence[Scalar], bad: NDArray[np.bool_], rule: str
) -> None:
    """Raises ManifestError naming the first value that breaks the rule."""
    if not bad.any():
        return
    cell = cells[int(np.flatnonzero(bad)[0])]
    found = "a missing value" if cell is None else f"value {cell!r}"
    raise ManifestError(
        f"column {column!r} has {found} ({place_of(frame, bad)}): it {rule}; "
        "correct these rows or leave them out"
    )


def refuse_no_column(frame: pd.DataFrame, column: str, target: str) -> None:
    """Raises ManifestError with the columns that there are."""
    if column not in frame:
        raise ManifestError(
            f"column {column!r}, which target {target!r} needs, is not in the manifest; "
            f"it has {', '.join(map(str, frame.columns))}{suggestion(column, map(str, frame.columns))}"
        )


def refuse_open(target: str) -> None:
    """Raises SearchSpaceError: nothing can be encoded before the classes are known."""
    raise SearchSpaceError(
        f"target {target!r}: its classes are not known yet; call resolve(frame) with the training table first"
    )


def place_of(frame: pd.DataFrame, bad: NDArray[np.bool_]) -> str:
    """The first bad row, its path, and how many more there are."""
    first = int(np.flatnonzero(bad)[0])
    place = f"row {first + 1}" + (f", {frame['path'].iloc[first]}" if "path" in frame else "")
    return place + (f", and {int(bad.sum()) - 1} more rows" if bad.sum() > 1 else "")

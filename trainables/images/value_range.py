"""Values of more than 8 bits to 0..255, by a rule with a name.

    auto     values from 0 to 255, 4095 or 65535, the smallest of them that holds the file's largest value
    10bit    values from 0 to 1023; 12bit to 4095; 14bit to 16383; 16bit to 65535; larger ones are cut
    unit     floats from 0 to 1; whole numbers as auto
    minmax   from the file's own smallest value to its largest, floats too

Each rule looks at one file alone: what an image becomes never depends on the others it comes with. Files of
8 bits stay as they are under every rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.images.file_kinds import UndecodableError

Values = NDArray[Any]
_BITS = {"10bit": 10, "12bit": 12, "14bit": 14, "16bit": 16}
VALUE_RANGES = ("auto", *_BITS, "unit", "minmax")
_AUTOMATIC = (255, 4095, 65535)


@dataclass(frozen=True)
class Scaled:
    pixels: NDArray[np.uint8]  # of the shape of the values
    top: float  # the value that became 255
    levels: int  # different values in the file
    cut: bool  # whether values beyond the range were cut


def scale(values: Values, rule: str, declared: int | None = None) -> Scaled:
    """values: of any shape and type. declared: the largest value that the file itself says it can hold.

    Raises UndecodableError where the rule has no answer for such values.
    """
    low, high = _ends(values)
    bottom, top = _range(values.dtype, low, high, rule, declared)
    is_cut = low < bottom or high > top
    return Scaled(_to_bytes(values, bottom, top), top, count_levels(values), is_cut)


def count_levels(values: Values) -> int:
    """Different values."""
    if values.dtype in (np.uint8, np.uint16):  # far quicker than sorting them
        return int(np.count_nonzero(np.bincount(values.ravel())))
    return len(np.unique(values))


def _ends(values: Values) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if not np.isfinite((low, high)).all():
        raise UndecodableError("holds values that are not finite")
    return low, high


def _range(
    dtype: np.dtype[Any], low: float, high: float, rule: str, declared: int | None
) -> tuple[float, float]:
    """The values that become 0 and 255."""
    if rule == "minmax":
        return low, high
    if dtype.kind == "f" and rule == "unit":
        return 0.0, 1.0
    if dtype.kind == "f":
        raise UndecodableError(
            f"float values from {low:.4g} to {high:.4g}: say what they mean, value_range='unit' (0 to 1) or "
            "'minmax'"
        )
    if rule in _BITS:
        return 0.0, float(2 ** _BITS[rule] - 1)
    tops = _AUTOMATIC if declared is None else (declared,)
    top = next((top for top in tops if high <= top), None)
    if low < 0 or top is None:
        raise UndecodableError(
            f"values from {low:g} to {high:g}, not within 0 to {tops[-1]}: value_range='minmax' scales each "
            "file by its own"
        )
    return 0.0, float(top)


def _to_bytes(values: Values, bottom: float, top: float) -> NDArray[np.uint8]:
    """Rounded to the nearest; values beyond the range are cut."""
    if values.dtype == np.uint16:
        table = _to_bytes(np.arange(65536, dtype=np.float64), bottom, top)
        return table[values]
    shares = (values.astype(np.float64) - bottom) / (top - bottom or 1.0)
    return np.rint(np.clip(shares, 0.0, 1.0) * 255.0).astype(np.uint8)

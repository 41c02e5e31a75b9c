"""Numbers as cells of a report's tables; what is not known is an empty cell."""

from __future__ import annotations

import math
from typing import Any

from orchestrator.pages.blocks import Cell, Quantity


def score_cell(value: Any) -> Cell:
    """Four decimals, as on the screen."""
    return Quantity(float(value), f"{value:.4f}") if _is_known(value) else ""


def signed_cell(value: Any) -> Cell:
    """A difference."""
    return Quantity(float(value), f"{value:+.4f}") if _is_known(value) else ""


def share_cell(value: Any) -> Cell:
    return Quantity(float(value), f"{value:.1%}") if _is_known(value) else ""


def value_cell(value: Any) -> Cell:
    """Of a parameter: a number as a number, in its shortest form."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, int) else Quantity(value, f"{value:.3g}")


def ends_text(low: float, high: float, form: str = ".3f") -> str:
    """Of an interval; "none" where there is none."""
    if not (_is_known(low) and _is_known(high)):
        return "none"
    return f"{low:{form}} to {high:{form}}"


def _is_known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)

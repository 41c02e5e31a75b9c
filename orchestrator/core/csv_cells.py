"""Cells of a CSV file that a spreadsheet would take for formulas: text from data must not be run. Pure."""

from __future__ import annotations

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a formula of a spreadsheet begins with."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


def is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def without_formula(cell: str) -> str:
    """With ' before it where a spreadsheet would take it for a formula; numbers stay as they are."""
    return f"'{cell}" if cell.startswith(FORMULA) and not is_number(cell) else cell

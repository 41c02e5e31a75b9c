"""What is wrong with predicted probabilities, said once for everyone who predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.text import shortened

TOLERANCE = 1e-3
"""How far a row's sum may be from 1: half precision and clipping stay below it."""


def shape_fault(found: NDArray[np.generic], rows: int, classes: int) -> str:
    """Why an array cannot be the probabilities of so many rows and classes; "" where it can."""
    if found.shape == (rows, classes):
        return ""
    return (
        f"its shape is {found.shape} where ({rows}, {classes}) was due, a row an image and a column a class"
    )


def value_fault(found: NDArray[np.floating], names: Sequence[str] = ()) -> str:
    """Why the values of found (n, C) are not finite; "" where they are. names: of the rows, to tell which."""
    bad = ~np.asarray(np.isfinite(found).all(axis=1))
    return f"{_which(bad, names)} not finite" if bad.any() else ""


def sum_fault(found: NDArray[np.floating], names: Sequence[str] = ()) -> str:
    """Why finite values (n, C) are no probabilities: negative, or rows that don't sum to 1; "" otherwise."""
    negative = np.asarray((found < 0).any(axis=1))
    if negative.any():
        return f"{_which(negative, names)} negative"
    sums = found.sum(axis=1)
    off = np.abs(sums - 1) > TOLERANCE
    if not off.any():
        return ""
    first = int(np.flatnonzero(off)[0])
    return (
        f"{_which(off, names, 'sum')} not to 1 (the first to {sums[first]:.4g}); divide each row by its sum"
    )


def label_fault(found: NDArray[np.floating], names: Sequence[str] = ()) -> str:
    """Why finite values (n, L) are no probabilities of labels, each in [0, 1]; "" otherwise."""
    outside = np.asarray(((found < 0) | (found > 1 + TOLERANCE)).any(axis=1))
    if not outside.any():
        return ""
    first = found[outside][0]
    value = float(first[np.argmax(np.abs(first - 0.5))])
    return (
        f"{_which(outside, names)} outside 0 to 1 (the first has {value:.4g}); give each label a probability"
    )


def probability_fault(found: NDArray[np.floating], names: Sequence[str], multi_label: bool) -> str:
    """`label_fault` of several labels, `sum_fault` of one."""
    return label_fault(found, names) if multi_label else sum_fault(found, names)


def any_fault(found: NDArray[Any], names: Sequence[str], classes: int, multi_label: bool = False) -> str:
    """The first of the three; "" where found are probabilities of the rows that `names` names."""
    # In this order: each says something sensible only of what the one before lets through.
    return (
        shape_fault(found, len(names), classes)
        or value_fault(found, names)
        or probability_fault(found, names, multi_label)
    )


def _which(bad: NDArray[Any], names: Sequence[str], verb: str = "") -> str:
    """3 of 60 rows (2, 5, 9) are"""
    rows = np.flatnonzero(bad).tolist()
    shown = shortened([f"{row}: {names[row]}" if len(names) else str(row) for row in rows])
    several = len(rows) != 1
    verb = (verb if several else f"{verb}s") if verb else ("are" if several else "is")
    return f"{len(rows)} of {len(bad)} rows ({shown}) {verb}"

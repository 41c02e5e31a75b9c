"""Which simple properties of images differ between two sets of rows, and by how much. Pure.

The effect of a number is Cliff's delta: how much more often a row of the second set has the larger value than
the smaller one, -1 to 1. That of a name (file kind, camera) is the share of rows that would have to have
another one for the sets to agree, 0 to 1 (total variation). From 0.33 on an effect counts as medium, from
0.474 on as large (Romano, Kromrey, Coraggio and Skowronek, 2006).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL, MEDIUM = 0.147, 0.33


@dataclass(frozen=True)
class Difference:
    name: str  # of the property
    effect: float  # see above
    first: str  # what the first set has: its median, or its most frequent names with their shares
    second: str


def differences(
    columns: Mapping[str, NDArray[Any]], second: NDArray[np.bool_], least: float = SMALL
) -> list[Difference]:
    """Properties with an effect of `least` or more in size, the largest first.

    columns: name -> (n,) numbers, NaN where unknown, or text; second (n,): rows of the second set.
    """
    found = [_difference(name, values[~second], values[second]) for name, values in columns.items()]
    kept = [item for item in found if item is not None and abs(item.effect) >= least]
    return sorted(kept, key=lambda item: (-abs(item.effect), item.name))


def _difference(name: str, first: NDArray[Any], second: NDArray[Any]) -> Difference | None:
    if first.dtype.kind in "OUS":
        return _of_names(name, first.astype(str), second.astype(str))
    first, second = (values[np.isfinite(values)].astype(np.float64) for values in (first, second))
    if not len(first) or not len(second):
        return None
    medians = [_decimal(float(np.median(values))) for values in (first, second)]
    return Difference(name, cliffs_delta(first, second), *medians)


def _decimal(number: float) -> str:
    return f"{number:.0f}" if number.is_integer() else f"{number:.3f}"


def cliffs_delta(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """P(second > first) - P(second < first) of a random value of each, in [-1, 1]."""
    ordered = np.sort(first)
    below = np.searchsorted(ordered, second, "left")
    above = len(ordered) - np.searchsorted(ordered, second, "right")
    return float((below - above).mean() / len(ordered))


def _of_names(name: str, first: NDArray[np.str_], second: NDArray[np.str_]) -> Difference | None:
    if not len(first) or not len(second):
        return None
    names, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    shares = [
        np.bincount(part, minlength=len(names)) / len(part) for part in np.split(codes.ravel(), [len(first)])
    ]
    effect = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return Difference(name, effect, *(_most_frequent(names, share) for share in shares))


def _most_frequent(names: NDArray[np.str_], shares: NDArray[np.float64]) -> str:
    order = [int(at) for at in np.argsort(-shares, kind="stable")[:3] if shares[at] > 0]
    return ", ".join(f"{names[at] or 'none'} {shares[at]:.0%}" for at in order)

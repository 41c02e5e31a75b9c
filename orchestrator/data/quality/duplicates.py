"""Which rows show the same picture, as records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Duplicates:
    """Of n rows. A row that cannot be read, or has no copy, is alone under its codes."""

    exact: NDArray[np.int64]  # (n,) rows with equal codes have the same decoded pixels
    near_pairs: NDArray[
        np.int64
    ]  # (m, 2) rows that are near duplicates but not exact ones, the smaller first
    similarity: NDArray[np.float32]  # (m,) of these pairs, 0 to 1
    clusters: NDArray[np.int64]  # (n,) exact and near ones joined; no chains
    rule: str  # which similarity counts as near, where that comes from, what is known of it: a sentence
    precision: float | None  # lower end of the 95% interval on groups left out; None where none was learned

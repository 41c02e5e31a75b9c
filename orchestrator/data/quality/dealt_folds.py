"""Folds for a look at the data: groups dealt out in turn, stratum by stratum. Pure.

Quick for any number of rows. What a study is judged on has folds of `data.folds`, which are better balanced.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dealt_folds(
    groups: NDArray[np.integer], strata: NDArray[np.integer], k: int, rng: np.random.Generator
) -> NDArray[np.int16]:
    """(n,) the fold of each row, in [0, k): rows of one group share it.

    groups (n,), strata (n,) as numbers; a group counts for the stratum of its first row.
    """
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = rng.permutation(len(first))
    order = shuffled[np.argsort(strata[first][shuffled], kind="stable")]
    folds = np.empty(len(first), np.int16)
    folds[order] = (np.arange(len(first)) + rng.integers(k)) % k
    dealt: NDArray[np.int16] = folds[codes.ravel()]
    return dealt


def drawn_groups(groups: NDArray[np.integer], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Row numbers, ascending, of whole groups that have about `most` rows together; all where there are less.

    groups (n,). At least two groups are drawn where there are two.
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(groups) <= most:
        return np.arange(len(groups))
    order = rng.permutation(len(sizes))
    count = max(2, int(np.searchsorted(np.cumsum(sizes[order]), most, "right")))
    chosen = np.zeros(len(sizes), np.bool_)
    chosen[order[:count]] = True
    return np.flatnonzero(chosen[codes.ravel()])

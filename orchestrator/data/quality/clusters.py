"""Clusters of near duplicates that do not grow along chains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def star_clusters(count: int, pairs: NDArray[np.int64], similarity: NDArray[np.float32]) -> NDArray[np.int64]:
    """(count,) codes of rows: the smallest row of its cluster. pairs (m, 2), of similarity (m,).

    In plain connected components a pan over a scene joins its first and last picture, which share nothing.
    Here a cluster is a row and its neighbours (Aslam, Pelekhov and Rus, "The Star Clustering Algorithm",
    JGAA 2004): the row with the most similar neighbours that is in no cluster takes those that are in none
    either. So every row is a near duplicate of one and the same row of its cluster.
    """
    weight = np.bincount(pairs.ravel(), np.repeat(similarity, 2), minlength=count)
    order = np.argsort(-weight, kind="stable")
    neighbours = _neighbours(count, pairs)
    codes = np.full(count, -1, np.int64)
    for row in order[weight[order] > 0]:
        if codes[row] < 0:
            own = neighbours[row]
            members = np.append(own[codes[own] < 0], row)
            codes[members] = members.min()
    return np.where(codes < 0, np.arange(count), codes)


def _neighbours(count: int, pairs: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    return np.split(both[:, 1], np.cumsum(np.bincount(both[:, 0], minlength=count))[:-1])

"""Scores of many resamples at once: class counts of a resample are sums of per-group counts. Pure.

So a thousand resamples of the groups are one matrix product, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.errors import EnsembleError


def _macro_f1(counts: Floats) -> Floats:
    """(repeats, C, C) -> (repeats,); the same as `metrics.macro_f1_of_counts` of each."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    seen = counts.sum(axis=1) + counts.sum(axis=2)
    f1 = 2 * hits / np.maximum(seen, 1)
    present: Floats = np.maximum((seen > 0).sum(axis=1), 1)
    mean: Floats = f1.sum(axis=1) / present
    return mean


def _accuracy(counts: Floats) -> Floats:
    hits = np.trace(counts, axis1=1, axis2=2)
    share: Floats = hits / np.maximum(counts.sum(axis=(1, 2)), 1)
    return share


OF_COUNTS: dict[str, Callable[[Floats], Floats]] = {"macro_f1": _macro_f1, "accuracy": _accuracy}


class ResampledScores:
    """The metric under weights of groups: (repeats, groups) -> (repeats,).

    labels (n,), probabilities (n, C), codes (n,): each row's group, in [0, count).
    """

    def __init__(
        self,
        labels: Labels,
        probabilities: Probabilities,
        codes: NDArray[np.int64],
        count: int,
        metric: str,
    ) -> None:
        if metric not in OF_COUNTS:
            raise EnsembleError(
                f"metric={metric!r} cannot be resampled; intervals exist for {', '.join(sorted(OF_COUNTS))}"
            )
        self._classes = classes = probabilities.shape[1]
        cells = (codes * classes + labels) * classes + probabilities.argmax(axis=1)
        counts = np.bincount(cells, minlength=count * classes * classes)
        self._counts = counts.reshape(count, classes * classes).astype(np.float32)
        self._score = OF_COUNTS[metric]

    def __call__(self, weights: NDArray[np.float32]) -> Floats:
        counts = weights @ self._counts  # float32 is exact for whole numbers up to 2**24
        return self._score(counts.reshape(len(weights), self._classes, self._classes).astype(np.float64))

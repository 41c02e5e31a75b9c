"""Scores of many resamples at once: class counts of a resample are sums of per-group counts. Pure.

So a thousand resamples of the groups are one matrix product, whatever the number of rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import METRICS


class ResampledScores:
    """The metric under weights of groups: (repeats, groups) -> (repeats,).

    labels (n,), probabilities (n, C), codes (n,): each row's group, in [0, count); metric: a key of METRICS.
    """

    def __init__(
        self,
        labels: Labels,
        probabilities: Probabilities,
        codes: NDArray[np.int64],
        count: int,
        metric: str,
    ) -> None:
        if metric not in METRICS:
            raise EnsembleError(
                f"metric={metric!r} cannot be resampled; intervals exist for {', '.join(sorted(METRICS))}"
            )
        self._classes = classes = probabilities.shape[1]
        # One number for each (group, true class, predicted class), counted in one pass.
        cells = (codes * classes + labels) * classes + probabilities.argmax(axis=1)
        counts = np.bincount(cells, minlength=count * classes * classes)
        self._counts = counts.reshape(count, classes * classes).astype(np.float32)
        self._of_counts = METRICS[metric].of_counts

    def __call__(self, weights: NDArray[np.float32]) -> Floats:
        counts = weights @ self._counts  # float32 is exact for whole numbers up to 2**24
        return self._of_counts(counts.reshape(len(weights), self._classes, self._classes).astype(np.float64))

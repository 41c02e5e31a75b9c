"""Scores of many resamples at once: what a metric sums over rows is summed over groups first. Pure.

So a thousand resamples of the groups are a few matrix products, whatever the number of rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import find, is_own

BLOCK = 1 << 22
"""Rows x resamples at once: some 100 MB for a metric that sorts rows, less for any other."""

OWN_REPEATS = 200
"""Most resamples for a user's own function, which is called once for each of them."""


def affordable(repeats: int, metric: str) -> int:
    """How many of so many resamples are made."""
    return min(repeats, OWN_REPEATS) if is_own(metric) else repeats


def defined(scores: Floats, metric: str) -> tuple[Floats, str]:
    """The scores that are no NaN, and a sentence on how many were: "" where none was.

    Raises EnsembleError where all of them were.
    """
    kept = scores[np.isfinite(scores)]
    if not len(kept):
        raise EnsembleError(
            f"{metric} is undefined on all of {len(scores)} resamples of the groups; judge by a metric that "
            "needs no rows of a second class, such as log_loss"
        )
    gone = len(scores) - len(kept)
    note = f"{metric} is undefined on {gone} of {len(scores)} resamples, which are left out."
    return kept, note if gone else ""


class ResampledScores:
    """The metric under weights of groups: (repeats, groups) -> (repeats,); NaN where it is undefined.

    labels (n,), probabilities (n, C), or both (n, L); codes (n,): each row's group, in [0, count). metric: a
    name that `core.metrics.find` knows. Raises MetricError for one it does not.
    """

    def __init__(
        self,
        labels: Labels,
        probabilities: Probabilities,
        codes: NDArray[np.int64],
        count: int,
        metric: str,
    ) -> None:
        found = find(metric)
        self._of, self._sums = found.of, found.count(labels, probabilities, codes, count)
        self._step = max(1, BLOCK // max(len(labels), 1))

    def __call__(self, weights: NDArray[np.floating]) -> Floats:
        starts = range(0, len(weights), self._step)
        blocks = [self._of(self._sums(weights[start : start + self._step])) for start in starts]
        return np.concatenate(blocks) if blocks else np.empty(0)

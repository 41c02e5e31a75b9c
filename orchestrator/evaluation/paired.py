"""How much better one model's predictions are than another's on the same rows. Pure.

Groups are resampled, both models on the same resamples: what makes a resample easy or hard for both cancels
out, so the interval of the difference is narrower than two intervals side by side would suggest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.metrics import score
from orchestrator.evaluation.bootstrap import draw_bags, group_codes, percentile_interval
from orchestrator.evaluation.resampled_scores import ResampledScores, affordable, defined


@dataclass(frozen=True)
class PairedDifference:
    """Second minus first, with a percentile interval [low, high] at `level` over resampled groups."""

    first: float  # score of all rows
    second: float  # score of the same rows
    low: float  # of the difference
    high: float
    level: float  # share of resamples inside the interval
    metric: str
    n_rows: int
    n_groups: int

    @property
    def difference(self) -> float:
        return self.second - self.first

    @property
    def is_decided(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return (
            f"{self.difference:+.4f} {self.metric} ({self.level:.0%} interval {self.low:+.4f} to "
            f"{self.high:+.4f}, {self.n_rows} rows of {self.n_groups} groups)"
        )


def paired_difference(
    labels: Labels,
    first: Probabilities,
    second: Probabilities,
    groups: Sequence[object] | NDArray[np.generic],
    metric: str,
    rng: np.random.Generator,
    repeats: int = 2000,
    level: float = 0.95,
) -> PairedDifference:
    """labels (n,); first, second (n, C): probabilities of the same rows, or all three (n, L); groups (n,).

    Resamples on which the metric is undefined are left out. Raises EnsembleError for fewer than two groups.
    """
    codes, count = group_codes(groups)
    weights = draw_bags(count, affordable(repeats, metric), rng)
    resampled = [ResampledScores(labels, item, codes, count, metric)(weights) for item in (first, second)]
    low, high = percentile_interval(defined(resampled[1] - resampled[0], metric)[0], level)
    one, other = score(metric, labels, first), score(metric, labels, second)
    return PairedDifference(one, other, low, high, level, metric, len(labels), count)

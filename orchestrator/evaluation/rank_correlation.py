"""Whether what is better by one score is better by another: Spearman's rank correlation. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from orchestrator.core.arrays import Floats

LEAST = 4
"""Pairs without which there is no interval."""


@dataclass(frozen=True)
class RankCorrelation:
    """In [-1, 1] with an interval [low, high] at `level`; NaN where one of the scores never differs."""

    value: float
    low: float
    high: float
    level: float
    pairs: int

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return f"no rank correlation ({self.pairs} pairs, of which one score is always the same)"
        interval = f"{self.level:.0%} interval {self.low:+.2f} to {self.high:+.2f}"
        return f"rank correlation {self.value:+.2f} ({interval}, {self.pairs} pairs)"


def rank_correlation(
    first: Sequence[float], second: Sequence[float], level: float = 0.95
) -> RankCorrelation | None:
    """Of pairs of finite numbers; None of fewer than LEAST.

    The interval is Fisher's z with the variance (1 + r^2 / 2) / (n - 3) of Bonett, Wright, Psychometrika 65
    (2000), "Sample size requirements for estimating Pearson, Kendall and Spearman correlations". Ranks that
    agree entirely have no finite z: they count as half the way to the next possible value.
    """
    if len(first) < LEAST:
        return None
    n = len(first)
    ranks = [_ranks(np.asarray(item, np.float64)) for item in (first, second)]
    if any(np.ptp(item) == 0 for item in ranks):
        return RankCorrelation(math.nan, math.nan, math.nan, level, n)
    value = float(np.clip(np.corrcoef(ranks[0], ranks[1])[0, 1], -1, 1))
    most = 1 - 6 / (n * (n * n - 1))
    inner = min(max(value, -most), most)
    half = float(ndtri((1 + level) / 2)) * math.sqrt((1 + inner**2 / 2) / (n - 3))
    low, high = (math.tanh(math.atanh(inner) + sign * half) for sign in (-1, 1))
    return RankCorrelation(value, min(low, value), max(high, value), level, n)


def _ranks(values: Floats) -> Floats:
    """Equal values share the mean of their ranks."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left")
    found: Floats = (below + np.searchsorted(ordered, values, "right") - 1) / 2
    return found

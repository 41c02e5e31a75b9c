"""Intervals from the scores of folds: the corrected resampled t, also of paired differences. Pure.

The folds' scores are not independent: any two folds' models share most of their training rows. The variance
of their mean is larger than the folds' scatter suggests, by the share of rows held out to rows trained on.
Source: Nadeau, Bengio, Machine Learning 52 (2003), "Inference for the generalization error", section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FoldDifference:
    """Second minus first, fold by fold, with a corrected t interval [low, high] at `level`.

    NaN ends where fewer than two folds have both scores.
    """

    differences: tuple[float, ...]
    mean: float
    low: float
    high: float
    level: float

    @property
    def is_decided(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        folds = f"{len(self.differences)} folds"
        if not math.isfinite(self.low):
            return f"{self.mean:+.4f} ({folds}: no interval)"
        return f"{self.mean:+.4f} ({self.level:.0%} interval {self.low:+.4f} to {self.high:+.4f}, {folds})"


def corrected_half_width(scores: Sequence[float], level: float = 0.95) -> float:
    """Of the interval of the mean of k folds' scores, t with k - 1 degrees of freedom; NaN for one fold.

    Each fold is 1 / k of the rows, so a model is judged on 1 / (k - 1) as many rows as it trained on.
    """
    from scipy.special import stdtrit  # a quarter of a second, which not every command should pay

    k = len(scores)
    if k < 2:
        return math.nan
    variance = float(np.var(scores, ddof=1)) * (1 / k + 1 / (k - 1))
    return float(stdtrit(k - 1, (1 + level) / 2)) * math.sqrt(variance)


def fold_difference(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> FoldDifference:
    """Of two models' scores on the same folds, in one order; folds where one is NaN are left out."""
    pairs = [b - a for a, b in zip(first, second, strict=True) if math.isfinite(b - a)]
    mean = float(np.mean(pairs)) if pairs else math.nan
    half = corrected_half_width(pairs, level)
    return FoldDifference(tuple(pairs), mean, mean - half, mean + half, level)

"""How often each group's rows are answered rightly, and which groups fare worst. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics.class_counts import THRESHOLD
from orchestrator.core.metrics.row_sums import log_losses
from orchestrator.evaluation.class_scores import LEVEL, Interval


@dataclass(frozen=True)
class GroupScore:
    """Of one group. The interval takes its rows to be drawn one by one."""

    group: str
    rows: int
    right: Interval  # share of rows with the right class; of several labels, with every label right
    log_loss: float  # mean over its rows


def group_scores(
    labels: Labels, probabilities: Probabilities, groups: Sequence[object] | NDArray[np.generic]
) -> tuple[GroupScore, ...]:
    """Every group, the worst first: the one whose share of right rows is lowest for certain.

    That is the order of the intervals' upper ends: a group of one wrong row is no evidence, one of twenty is.
    labels (n,) and probabilities (n, C), or both (n, L); groups (n,).
    """
    names, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    rows = np.bincount(codes, minlength=len(names))
    right = np.bincount(codes, are_right(labels, probabilities), len(names))
    losses = np.bincount(codes, log_losses(labels, probabilities)[:, 0], len(names)) / rows
    low, high = wilson(right, rows)
    found = [
        GroupScore(str(name), int(rows[at]), Interval(right[at] / rows[at], low[at], high[at]), losses[at])
        for at, name in enumerate(names)
    ]
    return tuple(sorted(found, key=lambda item: (item.right.high, -item.log_loss, item.group)))


def are_right(labels: Labels, probabilities: Probabilities) -> NDArray[np.bool_]:
    """(n,): rows with the right class, or with all their labels right and no other."""
    if labels.ndim == 2:
        same: NDArray[np.bool_] = ((labels == 1) == (probabilities >= THRESHOLD)).all(axis=1)
        return same
    right: NDArray[np.bool_] = probabilities.argmax(axis=1) == labels
    return right


def wilson(
    hits: NDArray[np.generic], rows: NDArray[np.generic], level: float = LEVEL
) -> tuple[Floats, Floats]:
    """Ends of the interval of a share, (k,) each; sensible for few rows and for shares of 0 and 1.

    Source: Wilson, Journal of the American Statistical Association 22 (1927).
    """
    n, z = np.asarray(rows, np.float64), float(ndtri((1 + level) / 2))
    share = np.asarray(hits, np.float64) / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


@dataclass(frozen=True)
class Unevenness:
    """Whether groups differ by more than the chance of their rows."""

    groups: int  # of two rows or more
    correlation: (
        float  # of two rows of a group: 1, always both right or both wrong; NaN where it is undefined
    )


def unevenness(right: NDArray[np.bool_], groups: Sequence[object] | NDArray[np.generic]) -> Unevenness:
    """right, groups (n,). The intraclass correlation of right answers, by analysis of variance.

    Source: Ridout, Demetrio, Firth, Biometrics 55 (1999), "Estimating intraclass correlation for binary
    data".
    """
    _, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    rows = np.bincount(codes)
    several, count, total = int((rows > 1).sum()), len(rows), len(right)
    if count < 2 or total <= count:
        return Unevenness(several, math.nan)
    means = np.bincount(codes, right) / rows
    between = float((rows * (means - right.mean()) ** 2).sum()) / (count - 1)
    within = float((rows * means * (1 - means)).sum()) / (total - count)
    size = (total - float((rows**2).sum()) / total) / (count - 1)
    whole = between + (size - 1) * within
    return Unevenness(several, (between - within) / whole if whole > 0 else math.nan)

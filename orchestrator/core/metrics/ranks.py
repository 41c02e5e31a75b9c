"""Metrics of the order that probabilities put rows in. Pure.

Rows are sorted once. All that these metrics ask of a resample is the weight of the positive rows at each
distinct probability that some positive row has, and of the negative rows there and above it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels
from orchestrator.core.metrics.contract import AnyProbabilities, Weights


@dataclass(frozen=True)
class Ranks:
    """One class against the rest, or one label: V distinct probabilities in R resamples, highest first."""

    positives: Floats  # (V, R) weight of positive rows with that probability
    negatives: Floats  # (V, R) weight of negative rows with that probability
    negatives_above: Floats  # (V, R) weight of negative rows with a higher one
    all_positives: Floats  # (R,)
    all_negatives: Floats  # (R,)


def ranks(
    labels: Labels, probabilities: AnyProbabilities, codes: NDArray[np.int64], groups: int
) -> Callable[[Weights], list[Ranks]]:
    """Of two classes the second one's ranks, of more those of each class, of several labels those of each."""
    columns = [1] if labels.ndim == 1 and probabilities.shape[1] == 2 else range(probabilities.shape[1])
    has = labels[:, None] == np.arange(probabilities.shape[1]) if labels.ndim == 1 else labels == 1
    made = [_Column(has[:, column], probabilities[:, column], codes, groups) for column in columns]
    return lambda weights: [column(np.ascontiguousarray(weights.T)) for column in made]


class _Column:
    """Places of rows in the order, as two sparse matrices of (places, groups)."""

    def __init__(
        self, positive: NDArray[np.bool_], scores: AnyProbabilities, codes: NDArray[np.int64], groups: int
    ) -> None:
        values = np.unique(scores[positive])
        size = len(values)
        higher = size - np.searchsorted(values, scores, "right")  # values above each row's own
        equal = np.searchsorted(values, scores, "left") + higher < size
        negative = ~positive
        # Negative rows lie at a value of a positive one (odd places) or between two of them (even places).
        between = 2 * higher[negative] + equal[negative]
        self._positives = _sparse(higher[positive], codes[positive], (size, groups))
        self._negatives = _sparse(between, codes[negative], (2 * size + 1, groups))

    def __call__(self, weights: Weights) -> Ranks:
        """weights (groups, R)."""
        positives, negatives = self._positives @ weights, self._negatives @ weights
        above = np.cumsum(negatives, axis=0)
        total = positives.sum(axis=0, dtype=np.float64)
        return Ranks(positives, negatives[1::2], above[:-1:2], total, above[-1].astype(np.float64))


def _sparse(places: NDArray[np.int64], codes: NDArray[np.int64], shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array  # a tenth of a second, which not every command should pay

    return csr_array((np.ones(len(places), np.float32), (places, codes)), shape=shape)


def roc_auc(found: Sequence[Ranks]) -> Floats:
    """Of a random positive and a random negative row: how often the former is ranked higher; ties count half.

    The mean over the classes or labels that have rows of both kinds; NaN where none has.
    """
    return _mean([_auc(item) for item in found])


def average_precision(found: Sequence[Ranks]) -> Floats:
    """Mean precision at the positive rows.

    The mean over the classes or labels that have a positive row; NaN where none has.
    """
    return _mean([_average_precision(item) for item in found])


def partial_auc(sensitivity: float) -> Callable[[Sequence[Ranks]], Floats]:
    """Area between the ROC curve and the line at this sensitivity, in [0, 1 - sensitivity]."""

    def of(found: Sequence[Ranks]) -> Floats:
        return _mean([_area_above(item, sensitivity) for item in found])

    return of


def _auc(item: Ranks) -> Floats:
    worse = item.negatives_above + item.negatives / 2
    lost = np.multiply(item.positives, worse, dtype=np.float64).sum(axis=0)
    return 1 - _ratio(lost, item.all_positives * item.all_negatives)


def _average_precision(item: Ranks) -> Floats:
    hits = np.cumsum(item.positives, axis=0)
    drawn = hits + item.negatives_above + item.negatives
    precision = np.divide(hits, drawn, out=np.zeros(hits.shape), where=drawn > 0, dtype=np.float64)
    return _ratio((item.positives * precision).sum(axis=0), item.all_positives)


def _area_above(item: Ranks, sensitivity: float) -> Floats:
    """Each value with positive rows is a piece of the curve, straight from one rate to the next."""
    with np.errstate(divide="ignore", invalid="ignore"):  # no positive or no negative rows: NaN
        width = item.positives / item.all_positives
        false_before = item.negatives_above / item.all_negatives
        false_after = false_before + item.negatives / item.all_negatives
        end = np.cumsum(width, axis=0)
        kept = np.clip(end - sensitivity, 0, width)  # the part of the piece above the line
        share = np.divide(kept, width, out=np.zeros(width.shape), where=width > 0)
        false_at_line = false_after - (false_after - false_before) * share
        area = (kept * (1 - (false_at_line + false_after) / 2)).sum(axis=0)
    return np.where((item.all_positives > 0) & (item.all_negatives > 0), area, np.nan)


def _ratio(part: Floats, whole: Floats | NDArray[np.int64]) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found


def _mean(columns: Sequence[Floats]) -> Floats:
    """(R,) of each column -> (R,): the mean of those that are no NaN."""
    found = np.stack(columns)
    defined = np.isfinite(found)
    return _ratio(np.where(defined, found, 0).sum(axis=0), defined.sum(axis=0))

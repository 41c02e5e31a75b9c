"""Metrics of probabilities that are means over rows, or made of few sums over rows. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels
from orchestrator.core.metrics.class_counts import sum_groups
from orchestrator.core.metrics.contract import AnyProbabilities, Counting, Weights

LEAST_PROBABILITY = 1e-12  # in the log loss: one row must not make it infinite
BINS = 15  # of the calibration error, of equal width

OfRows = Callable[[Labels, AnyProbabilities], NDArray[np.generic]]
"""labels (n,) and probabilities (n, C), or both (n, L) -> (n, K): what is summed, each row's share of it."""


def row_sums(of_rows: OfRows) -> Counting[Floats]:
    """Sums over rows, (R, 1 + K); the first of them is the number of rows."""

    def count(
        labels: Labels, probabilities: AnyProbabilities, codes: NDArray[np.int64], groups: int
    ) -> Callable[[Weights], Floats]:
        values = of_rows(labels, probabilities)
        return _of_weights(sum_groups(np.column_stack([np.ones(len(values)), values]), codes, groups))

    return count


def _of_weights(sums: Floats) -> Callable[[Weights], Floats]:
    """sums (groups, K) -> a function of weights (R, groups) that gives (R, K)."""

    def weighted(weights: Weights) -> Floats:
        found: Floats = weights.astype(np.float64) @ sums
        return found

    return weighted


def mean(sums: Floats) -> Floats:
    """(R, 2) -> (R,)."""
    return _over_rows(sums[:, 1], sums)


def mean_of_absolutes(sums: Floats) -> Floats:
    """(R, 1 + K) -> (R,): the sum of the K absolute values, over the number of rows."""
    return _over_rows(np.abs(sums[:, 1:]).sum(axis=1), sums)


def _over_rows(part: Floats, sums: Floats) -> Floats:
    """NaN for a resample without rows."""
    rows = sums[:, 0]
    found: Floats = np.divide(part, rows, out=np.full(len(part), np.nan), where=rows > 0)
    return found


def log_losses(labels: Labels, probabilities: AnyProbabilities) -> Floats:
    """-log of the true class's probability; of several labels, the mean of each one's."""
    if labels.ndim == 1:
        true_class_probability = probabilities[np.arange(len(labels)), labels].astype(np.float64)
        return _column(-np.log(np.maximum(true_class_probability, LEAST_PROBABILITY)))
    has = probabilities.astype(np.float64)
    true_probability = np.maximum(np.where(labels == 1, has, 1 - has), LEAST_PROBABILITY)
    return _column(-np.log(true_probability).mean(axis=1))


def brier_losses(labels: Labels, probabilities: AnyProbabilities) -> Floats:
    """Squared error of the positive one of two classes, else summed over classes; mean over labels."""
    found = probabilities.astype(np.float64)
    if labels.ndim == 2:
        return _column(((found - labels) ** 2).mean(axis=1))
    if found.shape[1] == 2:
        return _column((found[:, 1] - labels) ** 2)
    return _column(((found - np.eye(found.shape[1])[labels]) ** 2).sum(axis=1))


def calibration_errors(
    labels: Labels, probabilities: AnyProbabilities, codes: NDArray[np.int64], groups: int
) -> Callable[[Weights], Floats]:
    """By bin of the most probable class's probability: 1 or 0 for right or wrong, minus that probability.

    Of several labels, by label and bin of its probability. The error of a bin is its absolute sum. Sums as
    those of `row_sums`.
    """
    if labels.ndim == 1:
        top = probabilities.argmax(axis=1)
        right, found = _column(top == labels), _column(probabilities[np.arange(len(top)), top])
    else:
        right, found = (labels == 1).astype(np.float64), probabilities.astype(np.float64)
    cells = np.clip(np.ceil(found * BINS).astype(np.int64) - 1, 0, BINS - 1) + codes[:, None] * BINS
    errors = (right - found) / found.shape[1]
    size = groups * BINS
    by_bin = [
        np.bincount(at, own, size).reshape(groups, BINS) for at, own in zip(cells.T, errors.T, strict=True)
    ]
    return _of_weights(np.column_stack([np.bincount(codes, minlength=groups), *by_bin]))


def hits_of_top(k: int) -> OfRows:
    """1 where the true class is among the k most probable; of equals the later class counts as more probable,
    as in scikit-learn."""

    def of_rows(labels: Labels, probabilities: AnyProbabilities) -> Floats:
        own = probabilities[np.arange(len(labels)), labels][:, None]
        later = np.arange(probabilities.shape[1]) > labels[:, None]
        before = ((probabilities > own) | ((probabilities == own) & later)).sum(axis=1)
        return _column(before < k)

    return of_rows


def _column(values: NDArray[np.generic]) -> Floats:
    return values.astype(np.float64)[:, None]

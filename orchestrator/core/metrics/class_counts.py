"""Metrics of predicted classes: functions of how many rows are of, and predicted as, each class. Pure.

A single-label row is predicted as its most probable class, the first of equals. With several labels a row,
each label is predicted where its probability is at least 0.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels
from orchestrator.core.metrics.contract import AnyProbabilities, Weights

THRESHOLD = 0.5  # from which probability on a label is predicted


@dataclass(frozen=True)
class ClassCounts:
    """Of R resamples. C: classes, or labels where a row may have several of them."""

    hits: Floats  # (R, C) rows of a class that are predicted as it
    labelled: Floats  # (R, C) rows of a class
    predicted: Floats  # (R, C) rows predicted as a class
    right: Floats  # (R,) rows with all their labels right, and no other
    distance: Floats  # (R,) sum of the squared differences of class numbers
    rows: Floats  # (R,)
    multi_label: bool

    @property
    def f1(self) -> Floats:
        """(R, C); 0 for a class in neither labels nor predictions."""
        return _ratio(2 * self.hits, self.labelled + self.predicted)


def class_counts(
    labels: Labels, probabilities: AnyProbabilities, codes: NDArray[np.int64], groups: int
) -> Callable[[Weights], ClassCounts]:
    """labels (n,) and probabilities (n, C), or both (n, L)."""
    multi_label = labels.ndim == 2
    if multi_label:
        per_class, right, distance = _label_counts(labels, probabilities, codes, groups)
    else:
        per_class, right, distance = _counts(labels, probabilities, codes, groups)
    sums = np.column_stack([*per_class, right, distance, np.bincount(codes, minlength=groups)])
    if sums.max(initial=0) < 2**24:
        sums = sums.astype(np.float32)  # exact for whole numbers up to there, and half the work

    def weighted(weights: Weights) -> ClassCounts:
        found = (weights @ sums).astype(np.float64)
        hits, labelled, predicted = np.split(found[:, :-3], 3, axis=1)
        right, distance, rows = found[:, -3:].T
        return ClassCounts(hits, labelled, predicted, right, distance, rows, multi_label)

    return weighted


PerGroup = tuple[list[Floats], Floats, Floats]


def _counts(
    labels: Labels, probabilities: AnyProbabilities, codes: NDArray[np.int64], groups: int
) -> PerGroup:
    classes, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    hit = labels == predicted

    def by_class(of: NDArray[np.int64], at: NDArray[np.int64]) -> Floats:
        counts = np.bincount(at * classes + of, minlength=groups * classes)
        return counts.reshape(groups, classes).astype(np.float64)

    per_class = [by_class(labels[hit], codes[hit]), by_class(labels, codes), by_class(predicted, codes)]
    right = np.bincount(codes[hit], minlength=groups).astype(np.float64)
    distance = np.bincount(codes, (labels - predicted).astype(np.float64) ** 2, minlength=groups)
    return per_class, right, distance.astype(np.float64)


def _label_counts(
    labels: Labels, probabilities: AnyProbabilities, codes: NDArray[np.int64], groups: int
) -> PerGroup:
    has, predicted = labels == 1, probabilities >= THRESHOLD
    per_class = [sum_groups(flags, codes, groups) for flags in (has & predicted, has, predicted)]
    right = sum_groups((has == predicted).all(axis=1, keepdims=True), codes, groups)[:, 0]
    return per_class, right, np.zeros(groups)


def sum_groups(values: NDArray[np.generic], codes: NDArray[np.int64], groups: int) -> Floats:
    """(n, K) -> (groups, K)."""
    columns = [np.bincount(codes, column, minlength=groups) for column in values.T]
    return np.column_stack(columns).astype(np.float64)


def macro_f1(counts: ClassCounts) -> Floats:
    """Mean over the classes present in labels or predictions; of several labels a row, over all of them."""
    present = (counts.labelled + counts.predicted > 0) | counts.multi_label
    return _ratio(counts.f1.sum(axis=1), present.sum(axis=1))


def weighted_f1(counts: ClassCounts) -> Floats:
    return _ratio((counts.labelled * counts.f1).sum(axis=1), counts.labelled.sum(axis=1))


def micro_f1(counts: ClassCounts) -> Floats:
    return _ratio(2 * counts.hits.sum(axis=1), (counts.labelled + counts.predicted).sum(axis=1))


def binary_f1(counts: ClassCounts) -> Floats:
    return counts.f1[:, 1]


def accuracy(counts: ClassCounts) -> Floats:
    return _ratio(counts.right, counts.rows)


def balanced_accuracy(counts: ClassCounts) -> Floats:
    """Mean recall of the classes present in the labels; of several labels, the mean of each one's own."""
    recall, present = _ratio(counts.hits, counts.labelled), counts.labelled > 0
    if not counts.multi_label:
        return _ratio((recall * present).sum(axis=1), present.sum(axis=1))
    others = counts.rows[:, None] - counts.labelled
    right = others - counts.predicted + counts.hits  # rows without the label for which it is not predicted
    both = _ratio(recall + _ratio(right, others), present.astype(np.float64) + (others > 0))
    mean: Floats = both.mean(axis=1)
    return mean


def mcc(counts: ClassCounts) -> Floats:
    """0 where all labels or predictions are of one class; of several labels, the mean of each one's own."""
    if not counts.multi_label:
        rows = counts.rows
        return _correlation(
            counts.hits.sum(axis=1) * rows - (counts.labelled * counts.predicted).sum(axis=1),
            rows**2 - (counts.labelled**2).sum(axis=1),
            rows**2 - (counts.predicted**2).sum(axis=1),
        )
    rows = counts.rows[:, None]
    own = _correlation(
        counts.hits * rows - counts.labelled * counts.predicted,
        counts.labelled * (rows - counts.labelled),
        counts.predicted * (rows - counts.predicted),
    )
    mean: Floats = own.mean(axis=1)
    return mean


def quadratic_weighted_kappa(counts: ClassCounts) -> Floats:
    """NaN where labels and predictions are all of one class: chance alone would agree."""
    at = np.arange(counts.labelled.shape[1], dtype=np.float64)
    crossed = (counts.labelled @ at) * (counts.predicted @ at)
    squares = (counts.labelled + counts.predicted) @ at**2
    by_chance = squares * counts.rows - 2 * crossed  # times the number of rows
    defined = by_chance > 1e-9 * counts.rows**2
    disagreement = np.divide(
        counts.distance * counts.rows, by_chance, out=np.full(len(by_chance), np.nan), where=defined
    )
    found: Floats = 1 - disagreement
    return found


def _ratio(part: Floats, whole: Floats | NDArray[np.int64]) -> Floats:
    """0 where the whole is 0, as in scikit-learn's zero_division=0."""
    part = np.asarray(part, np.float64)
    return np.divide(part, whole, out=np.zeros(part.shape), where=np.asarray(whole) > 0)


def _correlation(covariance: Floats, of_labels: Floats, of_predictions: Floats) -> Floats:
    return _ratio(covariance, np.sqrt(np.maximum(of_labels, 0) * np.maximum(of_predictions, 0)))

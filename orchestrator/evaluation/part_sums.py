"""A metric's score on many unions of parts of the rows: folds left out, blocks of groups left out. Pure.

What a metric looks at of an answer (its digest: predicted classes, or the true class's probability) is
taken once; what it sums is then summed over each part, and a union of parts is a sum of sums. So the five
scores that cross-fitting asks of one answer, or the fifty of a jackknife, cost little more than one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics import find, is_own
from orchestrator.core.metrics.class_counts import (
    THRESHOLD,
    ClassCounts,
    class_counts,
    quadratic_weighted_kappa,
)
from orchestrator.core.metrics.row_sums import LEAST_PROBABILITY

Digest = NDArray[Any]


@dataclass(frozen=True)
class Parts:
    """Parts that do not overlap. A row may lie in several, with a share of its weight in each."""

    rows: NDArray[np.intp]  # (r,) numbers of rows
    weights: Floats  # (r,)
    of: NDArray[np.intp]  # (r,) part of each, in [0, count)
    count: int

    @classmethod
    def by(cls, keys: NDArray[np.integer], weights: Floats) -> Parts:
        """The rows of positive weight by their key, (n,), in ascending order of keys."""
        rows = np.flatnonzero(weights)
        found, of = np.unique(keys[rows], return_inverse=True)
        return cls(rows, weights[rows], of.ravel(), len(found))

    def under(self, chosen: NDArray[np.floating], size: int) -> Floats:
        """(R, n) weights of all rows. chosen (R, count): how often each part counts."""
        found = np.zeros((size, len(chosen)))
        np.add.at(found, self.rows, (self.weights * chosen[:, self.of]).T)
        weights: Floats = found.T
        return weights


class Judge(Protocol):
    """One metric on the same rows. A digest is an array whose first axis is the rows."""

    is_linear: bool  # whether the digest of a mean of answers is the mean of their digests
    knows_labels: bool  # whether a row's digest depends on its label

    def digest(self, probabilities: Probabilities) -> Digest:
        """(n, ...) what the metric looks at in an answer (n, C)."""

    def scores(self, digest: Digest, parts: Parts, chosen: NDArray[np.floating]) -> Floats:
        """(R,) of unions of parts, chosen (R, count); NaN where the metric is undefined."""


def judge_of(metric: str, labels: Labels, classes: int) -> Judge:
    """classes: columns of answers. Raises MetricError for a metric that is not known."""
    found = find(metric)
    if found.count is class_counts:
        return ClassJudge(labels, found.of, classes) if labels.ndim == 1 else _LabelJudge(labels, found.of)
    if metric == "log_loss":
        return _LogLossJudge(labels)
    return _AnyJudge(labels, metric)


class ClassJudge:
    """Of metrics of predicted classes. The digest is the predicted class."""

    is_linear, knows_labels = False, False

    def __init__(self, labels: Labels, of: Callable[[ClassCounts], Floats], classes: int) -> None:
        self._labels, self._of, self._classes = labels, of, classes
        self._needs_distance = of is quadratic_weighted_kappa
        self._known: tuple[Parts, _Known] | None = None

    def digest(self, probabilities: Probabilities) -> Digest:
        found: Digest = probabilities.argmax(axis=1)
        return found

    def scores(self, digest: Digest, parts: Parts, chosen: NDArray[np.floating]) -> Floats:
        known = self._of_parts(parts)
        predicted = digest[parts.rows]
        right = known.labels == predicted
        hits = self._by_class(known.cells[right], parts.weights[right], parts)
        given = self._by_class(known.base + predicted, parts.weights, parts)
        distance = np.zeros((parts.count, 1))
        if self._needs_distance:
            squares = parts.weights * (known.labels - predicted) ** 2
            distance[:, 0] = np.bincount(parts.of, squares, parts.count)
        sums = np.hstack([hits, known.labelled, given, hits.sum(axis=1, keepdims=True), distance, known.rows])
        return self._of(_counts(_union(chosen, sums), multi_label=False))

    def _of_parts(self, parts: Parts) -> _Known:
        """Of the parts last asked for: a search asks for the same ones many times."""
        if self._known is None or self._known[0] is not parts:
            labels, base = self._labels[parts.rows], parts.of * self._classes
            labelled = self._by_class(base + labels, parts.weights, parts)
            rows = labelled.sum(axis=1, keepdims=True)
            self._known = parts, _Known(labels, base, base + labels, labelled, rows)
        return self._known[1]

    def _by_class(self, cells: NDArray[np.intp], weights: Floats, parts: Parts) -> Floats:
        """(count, C)."""
        counts = np.bincount(cells, weights, parts.count * self._classes).astype(np.float64)
        return counts.reshape(parts.count, self._classes)


@dataclass(frozen=True)
class _Known:
    """What every answer's sums over the same parts share."""

    labels: Labels  # (r,)
    base: NDArray[np.intp]  # (r,) number of the first of its part's cells, one a class
    cells: NDArray[np.intp]  # (r,) number of the cell of the row's part and label
    labelled: Floats  # (count, C)
    rows: Floats  # (count, 1)


class _LabelJudge:
    """The same of several labels. The digest is which labels are predicted."""

    is_linear, knows_labels = False, False

    def __init__(self, labels: Labels, of: Callable[[ClassCounts], Floats]) -> None:
        self._has, self._of = labels == 1, of

    def digest(self, probabilities: Probabilities) -> Digest:
        return probabilities >= THRESHOLD

    def scores(self, digest: Digest, parts: Parts, chosen: NDArray[np.floating]) -> Floats:
        has, predicted = self._has[parts.rows], digest[parts.rows]
        right = (has == predicted).all(axis=1, keepdims=True)
        rows = np.column_stack([has & predicted, has, predicted, right, np.zeros_like(right)])
        sums = _by_part(np.column_stack([rows, np.ones(len(rows))]), parts)
        return self._of(_counts(_union(chosen, sums), multi_label=True))


class _LogLossJudge:
    """The digest is the probability of what is true: of the class, or of each label."""

    is_linear, knows_labels = True, True

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def digest(self, probabilities: Probabilities) -> Digest:
        if self._labels.ndim == 2:
            return np.where(self._labels == 1, probabilities, np.float32(1) - probabilities)
        return probabilities[np.arange(len(self._labels)), self._labels]

    def scores(self, digest: Digest, parts: Parts, chosen: NDArray[np.floating]) -> Floats:
        losses = -np.log(np.maximum(digest[parts.rows].astype(np.float64), LEAST_PROBABILITY))
        own = losses if losses.ndim == 1 else losses.mean(axis=1)
        sums = _union(chosen, _by_part(np.column_stack([own, np.ones(len(own))]), parts))
        return _quotient(sums[:, 0], sums[:, 1])


class _AnyJudge:
    """Of any metric, a user's own too. The digest is the answer itself."""

    is_linear, knows_labels = False, False

    def __init__(self, labels: Labels, metric: str) -> None:
        self._labels, self._metric, self._own = labels, find(metric), is_own(metric)

    def digest(self, probabilities: Probabilities) -> Digest:
        return probabilities

    def scores(self, digest: Digest, parts: Parts, chosen: NDArray[np.floating]) -> Floats:
        size = len(self._labels)
        counted = self._metric.count(self._labels, digest, np.arange(size), size)
        weights = parts.under(chosen, size)
        found: Floats = self._metric.of(counted(np.rint(weights) if self._own else weights))
        return found


def _by_part(values: NDArray[Any], parts: Parts) -> Floats:
    """(r, K) -> (count, K)."""
    columns = [np.bincount(parts.of, parts.weights * column, parts.count) for column in values.T]
    return np.column_stack(columns)


def _union(chosen: NDArray[np.floating], sums: Floats) -> Floats:
    """(R, count), (count, K) -> (R, K)."""
    found: Floats = chosen.astype(np.float64) @ sums
    return found


def _counts(sums: Floats, multi_label: bool) -> ClassCounts:
    hits, labelled, predicted = np.split(sums[:, :-3], 3, axis=1)
    right, distance, rows = sums[:, -3:].T
    return ClassCounts(hits, labelled, predicted, right, distance, rows, multi_label)


def _quotient(part: Floats, whole: Floats) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return found

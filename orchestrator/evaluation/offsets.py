"""Offsets of classes and cut points of ordered ones, fitted by coordinate ascent on counts. Pure.

Moving one offset or cut point along a grid only exchanges the decision of some rows between it and its rival,
so all scores along the grid come from one pass over the rows that can change.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics.class_counts import ClassCounts
from orchestrator.evaluation.voting import LEAST

LIMIT = 1.5
"""Largest offset, of a logarithm: odds of two classes change by at most e^3."""

STEPS = 31
"""Values tried for an offset or cut point."""

FEWEST = 5
"""Groups that a class must have before its offset, or a cut point beside it, is moved at all."""

DOUBT = 10.0
"""Groups at which a fitted value is moved halfway only: few groups of a class say little about it."""

Score = Callable[[ClassCounts], Floats]


def fit_offsets(
    labels: Labels, probabilities: Probabilities, codes: NDArray[np.int64], weights: Floats, score: Score
) -> Floats:
    """(C,) to be added to the logarithms of probabilities (n, C); larger scores are better.

    labels, codes, weights (n,): only rows of positive weight are looked at.
    """
    known = weights > 0
    labels, codes, weights = labels[known], codes[known], weights[known]
    logs = np.log(np.clip(probabilities[known].astype(np.float64), LEAST, 1.0))
    trust = _trust(labels, codes, logs.shape[1])
    offsets, best, counts = np.zeros(logs.shape[1]), -np.inf, _Counts(logs, labels, weights)
    for _ in range(2):
        for at in np.flatnonzero(trust):
            grid = np.linspace(-LIMIT, LIMIT, STEPS)
            found = score(counts.along(offsets, int(at), grid))
            # The value nearest to where it is, of equally good ones.
            order = np.lexsort((np.abs(grid - offsets[at]), -np.nan_to_num(found, nan=-np.inf)))
            if found[order[0]] > best + 1e-12:
                best, offsets[at] = found[order[0]], grid[order[0]]
    return offsets * trust


def _trust(labels: Labels, codes: NDArray[np.int64], classes: int) -> Floats:
    """(C,) in [0, 1): what part of a fitted value is used, by the number of groups of each class."""
    pairs = np.unique(np.column_stack([labels, codes]), axis=0)
    groups = np.bincount(pairs[:, 0], minlength=classes)
    found: Floats = np.where(groups >= FEWEST, groups / (groups + DOUBT), 0.0)
    return found


class _Counts:
    """Rows whose decision some offsets can change, and counts of all others."""

    def __init__(self, logs: Floats, labels: Labels, weights: Floats) -> None:
        classes = logs.shape[1]
        top = logs.argmax(axis=1)
        second = np.partition(logs, classes - 2, axis=1)[:, -2]
        can_change = logs.max(axis=1) - second <= 2 * LIMIT
        fixed = ~can_change
        hit = weights * (labels == top)
        self._hits = np.bincount(top[fixed], hit[fixed], classes).astype(np.float64)
        self._given = np.bincount(top[fixed], weights[fixed], classes).astype(np.float64)
        self._labelled = np.bincount(labels, weights, classes).astype(np.float64)
        self._logs, self._labels, self._weights = logs[can_change], labels[can_change], weights[can_change]

    def along(self, offsets: Floats, at: int, grid: Floats) -> ClassCounts:
        """Of R values of the offset of class `at`, the others as they are."""
        classes, steps = len(offsets), len(grid)
        moved = self._logs + offsets
        moved[:, at] = -np.inf
        rival = moved.argmax(axis=1)
        margin = moved[np.arange(len(moved)), rival] - self._logs[:, at]
        # From this number of the grid on, the row is decided as `at`; of equals the lower class is decided.
        after, upto = np.searchsorted(grid, margin, "right"), np.searchsorted(grid, margin)
        step = np.where(rival < at, after, upto)
        weights, labels = self._weights, self._labels

        def taken(by: NDArray[np.intp], values: Floats, width: int) -> Floats:
            counts = np.bincount(step * width + by, values, (steps + 1) * width).reshape(-1, width)
            return counts[:-1].cumsum(axis=0).astype(np.float64)

        alone = np.zeros(len(labels), np.intp)
        rival_hit = weights * (labels == rival)
        given = self._given + np.bincount(rival, weights, classes) - taken(rival, weights, classes)
        hits = self._hits + np.bincount(rival, rival_hit, classes) - taken(rival, rival_hit, classes)
        given[:, at] += taken(alone, weights, 1)[:, 0]
        hits[:, at] += taken(alone, weights * (labels == at), 1)[:, 0]
        return _class_counts(hits, given, self._labelled, np.zeros(steps))


def fit_cut_points(
    labels: Labels, numbers: Floats, codes: NDArray[np.int64], weights: Floats, classes: int, score: Score
) -> Floats:
    """(C - 1,) ascending cut points of `numbers`, (n,), the mean class number; from each on the next class
    is decided."""
    known = weights > 0
    labels, numbers, codes, weights = labels[known], numbers[known], codes[known], weights[known]
    trust, middle = _trust(labels, codes, classes), np.arange(classes - 1) + 0.5
    both = np.minimum(trust[:-1], trust[1:])
    cuts, best = middle.copy(), -np.inf
    for _ in range(2):
        for at in np.flatnonzero(both):
            lower = cuts[at - 1] if at else 0.0
            upper = cuts[at + 1] if at + 2 < classes else classes - 1.0
            grid = np.append(np.linspace(lower, upper, STEPS), cuts[at])
            tried = np.tile(cuts, (len(grid), 1))
            tried[:, at] = grid
            found = score(_cut_counts(labels, numbers, weights, tried))
            order = np.lexsort((np.abs(grid - cuts[at]), -np.nan_to_num(found, nan=-np.inf)))
            if found[order[0]] > best + 1e-12:
                best, cuts[at] = found[order[0]], grid[order[0]]
    return np.maximum.accumulate(middle + (cuts - middle) * both)


def _cut_counts(labels: Labels, numbers: Floats, weights: Floats, tried: Floats) -> ClassCounts:
    """Of R sets of cut points, (R, C - 1)."""
    classes = tried.shape[1] + 1
    labelled = np.bincount(labels, weights, classes).astype(np.float64)
    hits, given, distance = [], [], []
    for cuts in tried:
        decided = np.searchsorted(cuts, numbers, "right")
        hits.append(np.bincount(decided, weights * (decided == labels), classes))
        given.append(np.bincount(decided, weights, classes))
        distance.append(float((weights * (labels - decided) ** 2).sum()))
    return _class_counts(
        np.array(hits, np.float64), np.array(given, np.float64), labelled, np.array(distance)
    )


def _class_counts(hits: Floats, given: Floats, labelled: Floats, distance: Floats) -> ClassCounts:
    every = np.tile(labelled, (len(hits), 1))
    rows = np.full(len(hits), labelled.sum())
    return ClassCounts(hits, every, given, hits.sum(axis=1), distance, rows, multi_label=False)

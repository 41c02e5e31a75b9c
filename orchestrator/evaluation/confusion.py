"""Which classes are taken for which: rows counted by label and by what is predicted. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics.class_counts import THRESHOLD

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Confusion:
    """counts (C, C): rows of class i that are predicted as class j."""

    counts: Counts

    @property
    def shares(self) -> Floats:
        """(C, C): of the rows of class i, the share predicted as j; NaN for a class without rows."""
        rows = self.counts.sum(axis=1, keepdims=True)
        found: Floats = np.divide(
            self.counts, rows, out=np.full(self.counts.shape, np.nan), where=rows > 0, dtype=np.float64
        )
        return found

    def most_confused(self, most: int) -> list[tuple[int, int, int]]:
        """(label, prediction, rows) of the commonest errors, the commonest first; none without a row."""
        wrong = self.counts.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        pairs = [(int(at) // len(wrong), int(at) % len(wrong)) for at in order]
        return [(label, predicted, int(wrong[label, predicted])) for label, predicted in pairs
                if wrong[label, predicted]]  # fmt: skip

    @property
    def distances(self) -> Counts:
        """(C,): rows that are predicted so many classes away, where classes have an order."""
        at = np.arange(len(self.counts))
        away = np.abs(at[:, None] - at)
        found: Counts = np.bincount(away.ravel(), self.counts.ravel(), len(at)).astype(np.int64)
        return found


@dataclass(frozen=True)
class LabelConfusion:
    """Of labels that hold or do not, (L,) each: rows."""

    hits: Counts  # the label holds and is predicted
    missed: Counts  # it holds and is not predicted
    false_alarms: Counts  # it does not hold and is predicted
    rejected: Counts  # it does not hold and is not predicted


def confusion(labels: Labels, probabilities: Probabilities) -> Confusion:
    """labels (n,), probabilities (n, C). The most probable class is predicted, the first of equals."""
    classes = probabilities.shape[1]
    cells = labels * classes + probabilities.argmax(axis=1)
    return Confusion(np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.int64))


def label_confusion(labels: Labels, probabilities: Probabilities) -> LabelConfusion:
    """labels, probabilities (n, L). A label is predicted from a probability of 0.5 on."""
    has, predicted = labels == 1, probabilities >= THRESHOLD
    cells = (has & predicted, has & ~predicted, ~has & predicted, ~has & ~predicted)
    return LabelConfusion(*(cell.sum(axis=0).astype(np.int64) for cell in cells))

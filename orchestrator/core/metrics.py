"""Scores of predictions: pure functions of arrays. A new metric is a function and a line of METRICS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels
from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.text import suggestion

LEAST_PROBABILITY = 1e-12  # in the log loss: one row must not make it infinite
Counts = NDArray[Any]
"""Confusion matrices, (..., C, C): row the true class, column the predicted one; whole numbers."""


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Counts (C, C): row the true class, column the predicted one. labels, predicted (n,) in [0, C)."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def macro_f1_of_counts(counts: Counts) -> Floats:
    """Macro-F1 of each confusion matrix, (..., C, C) -> (...).

    The mean over the classes present in the labels or in the predictions, as scikit-learn's
    `f1_score(average="macro")` without `labels`. A class in neither has no F1. No rows at all: 0.
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    seen = counts.sum(axis=-2) + counts.sum(axis=-1)
    f1: Floats = 2 * hits / np.maximum(seen, 1)
    mean: Floats = f1.sum(axis=-1) / np.maximum((seen > 0).sum(axis=-1), 1)
    return mean


def accuracy_of_counts(counts: Counts) -> Floats:
    """Share of rows whose predicted class is the true one, (..., C, C) -> (...). No rows at all: 0."""
    share: Floats = np.trace(counts, axis1=-2, axis2=-1) / np.maximum(counts.sum(axis=(-2, -1)), 1)
    return share


def macro_f1(labels: Labels, predicted: Labels, classes: int) -> float:
    """Macro-F1 in [0, 1]; see `macro_f1_of_counts`. labels, predicted (n,)."""
    return float(macro_f1_of_counts(confusion_matrix(labels, predicted, classes)))


def accuracy(labels: Labels, predicted: Labels, classes: int) -> float:
    """Share of rows whose predicted class is the true one; 0 for no rows. labels, predicted (n,)."""
    return float(accuracy_of_counts(confusion_matrix(labels, predicted, classes)))


@dataclass(frozen=True)
class Metric:
    """How predictions are judged.

    It is a function of class counts, so that a thousand resamples of the groups are one matrix product.
    """

    of_counts: Callable[[Counts], Floats]  # (..., C, C) -> (...)
    mode: str  # "max" where a larger value is better, "min" where a smaller one is
    meaning: str  # what the number is, in a few words


METRICS: dict[str, Metric] = {
    "macro_f1": Metric(macro_f1_of_counts, "max", "mean F1 of the classes"),
    "accuracy": Metric(accuracy_of_counts, "max", "share of rows whose predicted class is the true one"),
}


def check_metric(metric: str, mode: str) -> str:
    """The metric's own mode. Raises SearchSpaceError for an unknown metric or a mode that contradicts it."""
    if metric not in METRICS:
        known = sorted(METRICS)
        raise SearchSpaceError(
            f"metric={metric!r} is not known; use one of {', '.join(known)}{suggestion(str(metric), known)}"
        )
    own = METRICS[metric].mode
    if mode not in ("", "max", "min"):
        raise SearchSpaceError(f"mode={mode!r} is not known; use 'max' or 'min', or leave mode out")
    if mode not in ("", own):
        better = "larger" if own == "max" else "smaller"
        raise SearchSpaceError(
            f"metric={metric!r}, mode={mode!r}: {better} values of {metric} are better, so the worst trials "
            "would be chosen; leave mode out"
        )
    return own


def score(metric: str, labels: Labels, probabilities: NDArray[np.floating]) -> float:
    """`metric` of the most probable classes. labels (n,), probabilities (n, C)."""
    counts = confusion_matrix(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    return float(METRICS[metric].of_counts(counts))


def log_loss(labels: Labels, probabilities: NDArray[np.floating]) -> float:
    """Mean -log of the true class's probability, in float64. labels (n,), probabilities (n, C)."""
    true_class_probability = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true_class_probability, LEAST_PROBABILITY)).mean())


def epoch_scores(metric: str, labels: Labels, probabilities: NDArray[np.floating]) -> dict[str, float]:
    """What every trainable notes of an epoch: macro_f1, accuracy and the study's own metric."""
    return {name: score(name, labels, probabilities) for name in ("macro_f1", "accuracy", metric)}

"""Scores of predictions: arrays in, numbers out. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from orchestrator.core.arrays import Labels
from orchestrator.core.metrics.checks import applicable
from orchestrator.core.metrics.contract import AnyProbabilities, Counting
from orchestrator.core.metrics.row_sums import log_losses
from orchestrator.core.metrics.table import find
from orchestrator.core.task import Task

ALL_ROWS_ONCE = np.ones((1, 1))


def score(metric: str, labels: Labels, probabilities: AnyProbabilities) -> float:
    """labels (n,) and probabilities (n, C), or both (n, L). NaN where it is undefined on these rows.

    Raises MetricError and NonFiniteError for what a user's own function does.
    """
    return scores([metric], labels, probabilities)[metric]


def scores(metrics: Sequence[str], labels: Labels, probabilities: AnyProbabilities) -> dict[str, float]:
    """Several at once: what they are made of is counted once. Shapes and errors as `score`."""
    counted: dict[Counting[Any], Any] = {}
    found = {}
    for name in metrics:
        metric = find(name)
        if metric.count not in counted:
            one_group = np.zeros(len(labels), np.int64)
            counted[metric.count] = metric.count(labels, probabilities, one_group, 1)(ALL_ROWS_ONCE)
        found[name] = float(metric.of(counted[metric.count])[0])
    return found


def epoch_scores(
    metric: str, labels: Labels, probabilities: AnyProbabilities, task: Task
) -> dict[str, float]:
    """What every trainable notes of an epoch: the study's own metric, and all others that apply.

    Those that are undefined on these rows are left out, but for the study's own. Raises as `score`.
    """
    found = scores(list(dict.fromkeys([metric, *applicable(task)])), labels, probabilities)
    return {name: value for name, value in found.items() if name == metric or math.isfinite(value)}


def macro_f1(labels: Labels, predicted: Labels, classes: int) -> float:
    """Of predicted classes, without probabilities. labels, predicted (n,) in [0, classes)."""
    return score("macro_f1", labels, np.eye(classes)[predicted])


def log_loss(labels: Labels, probabilities: AnyProbabilities) -> float:
    """Mean -log of the true class's probability, in float64; of several labels, the mean over them too.

    labels (n,) and probabilities (n, C), or both (n, L).
    """
    return float(log_losses(labels, probabilities).mean())

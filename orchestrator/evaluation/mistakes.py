"""The rows that were answered worst, one of each group. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.metrics.row_sums import log_losses
from orchestrator.evaluation.group_scores import are_right


@dataclass(frozen=True)
class Mistake:
    """A row with a wrong answer. Of several labels, the label that was answered worst."""

    at: int  # place of the row in the arrays
    loss: float  # its log loss
    label: int  # number of its class; of several labels, of the worst one
    predicted: int  # number of the predicted class; of several labels as `label`
    given: float  # probability of what is true
    holds: bool = True  # of several labels: whether the worst one holds


def worst_mistakes(
    labels: Labels, probabilities: Probabilities, codes: NDArray[np.int64], most: int
) -> tuple[Mistake, ...]:
    """Of rows with a wrong answer those of the highest log loss, the highest first; each group once.

    labels (n,) and probabilities (n, C), or both (n, L); codes (n,): each row's group.
    """
    losses = log_losses(labels, probabilities)[:, 0]
    wrong = np.flatnonzero(~are_right(labels, probabilities))
    order = wrong[np.argsort(-losses[wrong], kind="stable")]
    _, first = np.unique(codes[order], return_index=True)
    make = _of_labels if labels.ndim == 2 else _of_class
    return tuple(make(labels, probabilities, int(at), losses[at]) for at in order[np.sort(first)[:most]])


def _of_class(labels: Labels, probabilities: Probabilities, at: int, loss: float) -> Mistake:
    own = int(labels[at])
    return Mistake(at, float(loss), own, int(probabilities[at].argmax()), float(probabilities[at, own]))


def _of_labels(labels: Labels, probabilities: Probabilities, at: int, loss: float) -> Mistake:
    true = np.where(labels[at] == 1, probabilities[at], 1 - probabilities[at])
    worst = int(true.argmin())
    return Mistake(at, float(loss), worst, worst, float(true[worst]), bool(labels[at, worst] == 1))

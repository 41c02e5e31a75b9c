"""A weight and an offset for each class's logarithm, which make probabilities as frequent as they say. Pure.

Source: Guo, Pleiss, Sun, Weinberger, ICML 2017, "On calibration of modern neural networks" (vector scaling),
here shrunk towards no change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels
from orchestrator.evaluation.voting import LEAST

PENALTY = 10.0
"""Of the squared changes, in units of a row's log loss: a class needs tens of rows to be moved far."""

ITERATIONS = 100


def gated_vector_scaling(logs: Floats, labels: Labels, folds: NDArray[np.int16]) -> tuple[Floats, Floats]:
    """As `fit_vector_scaling`; weights 1 and offsets 0 unless it pays on rows that it was not fitted to.

    It pays where, each fold (n,) left out in turn, the log loss falls by more than one standard error over
    the folds. Fewer than three folds say too little.
    """
    classes = logs.shape[1]
    present = np.unique(folds)
    gains = [_gain(logs, labels, folds == fold) for fold in present] if len(present) > 2 else []
    if gains and np.mean(gains) > np.std(gains, ddof=1) / len(gains) ** 0.5:
        return fit_vector_scaling(logs, labels)
    return np.ones(classes), np.zeros(classes)


def _gain(logs: Floats, labels: Labels, own: NDArray[np.bool_]) -> float:
    """By how much the mean log loss of rows `own` falls when the others' scaling is used."""
    weights, offsets = fit_vector_scaling(logs[~own], labels[~own])
    at = np.arange(int(own.sum())), labels[own]
    before, after = shares_of(logs[own])[at], shares_of(logs[own] * weights + offsets)[at]
    return float(np.mean(np.log(np.clip(after, LEAST, 1)) - np.log(np.clip(before, LEAST, 1))))


def fit_vector_scaling(logs: Floats, labels: Labels) -> tuple[Floats, Floats]:
    """Weights and offsets (C,) of the least penalised log loss. logs (n, C) of probabilities; labels (n,)."""
    from scipy.optimize import minimize  # a tenth of a second, which not every command should pay

    rows, classes = np.arange(len(labels)), logs.shape[1]

    def loss(changes: Floats) -> tuple[float, Floats]:
        shares = shares_of(logs * (1 + changes[:classes]) + changes[classes:])
        value = -np.log(np.clip(shares[rows, labels], LEAST, 1)).sum() + PENALTY / 2 * (changes**2).sum()
        shares[rows, labels] -= 1
        slopes = np.concatenate([(logs * shares).sum(axis=0), shares.sum(axis=0)])
        return float(value), slopes + PENALTY * changes

    found = minimize(
        loss, np.zeros(2 * classes), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}
    ).x
    return 1 + found[:classes], found[classes:]


def shares_of(powers: Floats) -> Floats:
    """(n, C): exponentials that sum to 1 in each row."""
    raised = np.exp(powers - powers.max(axis=1, keepdims=True))
    found: Floats = raised / raised.sum(axis=1, keepdims=True)
    return found

"""What models of several trials say of each row that they did not train on, as one probability. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.evaluation.calibration import Temperature, fit_temperature
from orchestrator.evaluation.vector_scaling import gated_vector_scaling, shares_of
from orchestrator.evaluation.voting import LEAST


@dataclass(frozen=True)
class TrialAnswers:
    """Out-of-fold probabilities of one trial: rows (m,), each once; probabilities (m, C); folds (m,)."""

    rows: NDArray[np.int64]
    probabilities: Probabilities
    folds: NDArray[np.int16]


def pooled_probabilities(answers: Sequence[TrialAnswers], labels: Labels, classes: int) -> Floats:
    """(n, C): the trials' geometric mean, calibrated; rows that no trial answers are NaN.

    labels (n,). Each trial first gets a temperature, so that one that is too sure of everything does not
    drown the others; then each class is scaled where that pays. For the rows of a fold both are fitted to
    the other folds' labels: a row's own label, and its group's, has no say in what is said of it. With a
    single fold nothing is fitted.
    """
    folds = np.full(len(labels), -1, np.int16)  # of several trials' the first one's: each keeps groups whole
    for item in answers:
        folds[item.rows] = np.where(folds[item.rows] < 0, item.folds, folds[item.rows])
    found = np.full((len(labels), classes), np.nan)
    present = np.unique(folds[folds >= 0])
    for fold in present:
        found[folds == fold] = _of_fold(answers, labels, folds, int(fold), classes)
    return found


def _of_fold(
    answers: Sequence[TrialAnswers],
    labels: Labels,
    folds: NDArray[np.int16],
    fold: int,
    classes: int,
) -> Floats:
    """(rows of the fold, C). folds (n,): -1 for a row that nothing answers."""
    own, others = folds == fold, (folds >= 0) & (folds != fold)
    logs, counts = np.zeros((len(labels), classes)), np.zeros(len(labels))
    for item in answers:
        fitted = others[item.rows]
        temperature = Temperature()
        if fitted.any():
            temperature = fit_temperature(labels[item.rows[fitted]], item.probabilities[fitted])
        logs[item.rows] += np.log(np.clip(temperature.apply(item.probabilities), LEAST, 1))
        counts[item.rows] += 1
    means = logs / np.maximum(counts, 1)[:, None]
    if not others.any():
        return shares_of(means[own])
    weights, offsets = gated_vector_scaling(np.log(shares_of(means[others])), labels[others], folds[others])
    return shares_of(np.log(shares_of(means[own])) * weights + offsets)

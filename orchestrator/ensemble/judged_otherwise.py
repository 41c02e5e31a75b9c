"""Whether trials' stored predictions still score, with the labels at hand, what the journal noted.

Fingerprints and digests tell of damage. Who changes labels, folds or predictions with all that vouches for
them leaves the scores: they come from the models themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.metrics import is_own, score
from orchestrator.core.text import counted
from orchestrator.study.predictions import Prediction
from orchestrator.study.study import CandidateTrial

_TOLERANCE = 1e-4
"""What rounding, and another version of a metric, may change."""


def difference(
    trials: Sequence[CandidateTrial],
    predictions: Sequence[Prediction],
    metric: str,
    scored: NDArray[np.bool_] | None,
) -> str:
    """What to tell of a study's trials; "" where their scores are what they were.

    predictions: of each trial, with the labels of now. scored (n,): which of their rows a score is of; None:
    all. A function of one's own is not called for it.
    """
    if is_own(metric):
        return ""
    found = [
        (trial.number, best.fold, best.score, now)
        for trial, prediction in zip(trials, predictions, strict=True)
        for best in trial.bests
        if not math.isclose(best.score, now := _score(prediction, best.fold, metric, scored),
                            rel_tol=0, abs_tol=_TOLERANCE)
    ]  # fmt: skip
    if not found:
        return ""
    trial, fold, before, now = found[0]
    runs = counted(len(found), "fold run")
    return (
        f"{runs} scored otherwise when they were trained: {metric} of trial {trial}, fold {fold} was "
        f"{before:.4f} and is {now:.4f} by its predictions and the labels of now; unless its trainable "
        "scores in a way of its own, rows or predictions were changed since"
    )


def _score(prediction: Prediction, fold: int, metric: str, scored: NDArray[np.bool_] | None) -> float:
    own = prediction.folds == fold
    if scored is not None:
        own &= scored
    return score(metric, prediction.labels[own], prediction.probabilities[own])

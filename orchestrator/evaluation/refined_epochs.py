"""The epoch of each fold that "refine, then calibrate" keeps, chosen again on resampled groups. Pure.

Source of the rule: Berta et al. 2025, "Rethinking early stopping: refine, then calibrate".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.evaluation.calibration import LIMITS, losses_of
from orchestrator.evaluation.kept_epochs import FoldRows, KeptEpochs

POINTS = 33
"""Temperatures at which the loss is worked out, evenly on a log scale; between them a parabola goes through
three. On drawn answers that is within 1e-3 of the least loss."""


def refined_epochs(
    kept: KeptEpochs,
    trials: Sequence[int],
    labels: Labels,
    codes: NDArray[np.int64],
    weights: NDArray[np.float32],
    scored: NDArray[np.bool_] | None = None,
    step: Callable[[int], None] | None = None,
) -> Mapping[int, NDArray[np.int64]]:
    """Trial -> (resamples, folds) epochs, from 1: of the least log loss after the temperature that suits the
    rows of the bag best, the earliest of equals; of a fold without a row there, the first.

    trials: with every epoch of every fold. labels, codes (n,); weights (resamples, groups); scored (n,).
    step: is told of each epoch done.
    """
    rows = {fold: FoldRows(own, codes, scored) for fold, own in kept.rows.items()}
    found = {}
    for trial in trials:
        epochs = sorted({epoch for own, _, epoch in kept.keys if own == trial})
        losses = np.empty((len(weights), len(rows), len(epochs)))
        for fold, own in rows.items():
            for epoch in epochs:
                answers = kept.read(trial, fold, epoch)[own.kept]
                losses[:, fold, epoch - 1] = refined_losses(
                    labels[own.rows], answers, own.codes, weights[:, own.groups]
                )
                if step is not None:
                    step(1)
        found[trial] = losses.argmin(axis=2) + 1
    return found


def refined_losses(
    labels: Labels, probabilities: Probabilities, codes: NDArray[np.int64], weights: NDArray[np.floating]
) -> Floats:
    """(resamples,) the least log loss over all temperatures; 0 where no row has weight.

    labels (n,) and probabilities (n, C), or both (n, L); codes (n,); weights (resamples, groups).
    """
    groups, of = weights.shape[1], losses_of(labels, probabilities)
    powers = 1 / np.geomspace(*LIMITS, POINTS)
    sums = np.array([np.bincount(codes, of(float(power)), groups) for power in powers])
    sizes = weights @ np.bincount(codes, minlength=groups)
    losses = np.divide(
        weights @ sums.T, sizes[:, None], out=np.zeros((len(weights), POINTS)), where=sizes[:, None] > 0
    )
    return _least_of_parabolas(losses)


def _least_of_parabolas(losses: Floats) -> Floats:
    """(resamples,) of losses at points that are equally far apart, (resamples, points)."""
    at = np.clip(losses.argmin(axis=1), 1, losses.shape[1] - 2)
    each = np.arange(len(losses))
    before, middle, after = (losses[each, at + shift] for shift in (-1, 0, 1))
    bend, slope = before - 2 * middle + after, (after - before) / 2
    curved = bend > 0
    gained = np.divide(slope**2, 2 * bend, out=np.zeros(len(losses)), where=curved)
    inside = curved & (np.abs(slope) <= bend)
    least: Floats = np.where(inside, middle - gained, losses.min(axis=1))
    return least

"""Learning curves to race on: noise of folds and runs as read off a table of small CNNs on faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLD_SD, RUN_SD, EPOCH_SD = 0.018, 0.020, 0.010


@dataclass(frozen=True)
class Curves:
    """scores (trials, folds, epochs): running maximum of what is measured. truth (trials,): the last epoch's
    score without noise."""

    scores: NDArray[np.float64]
    truth: NDArray[np.float64]


def draw_curves(trials: int, folds: int, epochs: int, rng: np.random.Generator) -> Curves:
    """final = 0.69 - |N(0, 0.11)| - B(0.2) U(0.05, 0.3), approached from 0.2 at a pace exp(N(1, 0.7))."""
    final = 0.69 - np.abs(rng.normal(0, 0.11, trials))
    final -= (rng.random(trials) < 0.2) * rng.uniform(0.05, 0.3, trials)
    tau = np.exp(rng.normal(1.0, 0.7, trials))
    time = np.arange(1, epochs + 1)
    base = final[:, None] - (final - 0.2)[:, None] * np.exp(-time / tau[:, None])
    noise = rng.normal(0, FOLD_SD, (1, folds, 1)) + rng.normal(0, RUN_SD, (trials, folds, 1))
    noise = noise + rng.normal(0, EPOCH_SD, (trials, folds, epochs))
    return Curves(np.maximum.accumulate(base[:, None, :] + noise, axis=2), base[:, -1])

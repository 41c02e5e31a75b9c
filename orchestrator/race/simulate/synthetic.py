"""Learning curves to race on: noise of folds and runs as read off a table of small CNNs on faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.race.simulate.table import CurveTable

# Standard deviations of a score: of a fold for all trials alike, of one fold run, of one epoch.
FOLD_SD, RUN_SD, EPOCH_SD = 0.018, 0.020, 0.010


@dataclass(frozen=True)
class Curves:
    """Drawn learning curves; higher scores are better."""

    scores: NDArray[np.float64]  # (trials, folds, epochs): running maximum of what is measured
    truth: NDArray[np.float64]  # (trials,): the last epoch's score without noise


def draw_base(trials: int, epochs: int, rng: np.random.Generator, pace: float = 1.0) -> NDArray[np.float64]:
    """(trials, epochs) scores without noise.

    final = 0.69 - |N(0, 0.11)| - B(0.2) U(0.05, 0.3), approached from 0.2 in exp(N(pace, 0.7)) epochs.
    """
    final = 0.69 - np.abs(rng.normal(0, 0.11, trials))
    final -= (rng.random(trials) < 0.2) * rng.uniform(0.05, 0.3, trials)
    tau = np.exp(rng.normal(pace, 0.7, trials))
    time = np.arange(1, epochs + 1)
    base: NDArray[np.float64] = final[:, None] - (final - 0.2)[:, None] * np.exp(-time / tau[:, None])
    return base


def draw_curves(trials: int, folds: int, epochs: int, rng: np.random.Generator, pace: float = 1.0) -> Curves:
    """`draw_base`, and the noise of folds, fold runs and epochs."""
    base = draw_base(trials, epochs, rng, pace)
    noise = rng.normal(0, FOLD_SD, (1, folds, 1)) + rng.normal(0, RUN_SD, (trials, folds, 1))
    noise = noise + rng.normal(0, EPOCH_SD, (trials, folds, epochs))
    return Curves(np.maximum.accumulate(base[:, None, :] + noise, axis=2), base[:, -1])


@dataclass(frozen=True)
class DrawnCurves:
    """New curves for every draw, in place of a table. Ranks settle early where pace is low."""

    trials: int
    folds: int = 5
    epochs: int = 18
    pace: float = 1.0

    def draw(self, subset: int | None, rng: np.random.Generator) -> CurveTable:
        """An epoch takes a second; the test score is the last epoch's without noise."""
        curves = draw_curves(subset or self.trials, self.folds, self.epochs, rng, self.pace)
        return CurveTable(curves.scores, np.ones(curves.scores.shape), curves.truth)

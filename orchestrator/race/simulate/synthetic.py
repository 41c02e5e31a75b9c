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

    scores: NDArray[np.float64]  # (trials, folds, epochs)
    truth: NDArray[np.float64]  # (trials,): without noise


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


# Of curves that jump, on top: standard deviation of a trial's epochs (itself log-normal over trials, sigma
# 0.5), half of its variance the model's own and half the luck of the validation rows; an epoch in twenty
# or so loses a tenth to six tenths of what was learned.
JUMP_SD, COLLAPSES = 0.03, 0.06


def draw_jumping(trials: int, folds: int, epochs: int, rng: np.random.Generator) -> Curves:
    """Each epoch's own score, of models that jump from epoch to epoch; truth: the mean over folds of what the
    best epoch's model is worth without the luck of its rows."""
    base = draw_base(trials, epochs, rng, pace=0.8)
    size = (trials, folds, epochs)
    sd = (JUMP_SD * np.exp(rng.normal(0, 0.5, trials)))[:, None, None] * np.sqrt(0.5)
    worth = base[:, None, :] + rng.normal(0, RUN_SD, (trials, folds, 1)) * np.sqrt(0.5)
    worth = worth + sd * rng.standard_t(4, size) / np.sqrt(2)
    collapsed = rng.random(size) < 2 * COLLAPSES * rng.random((trials, 1, 1))
    worth = np.maximum(worth - collapsed * rng.uniform(0.1, 0.6, size) * (worth - 0.1), 0.05)
    luck = rng.normal(0, FOLD_SD, (1, folds, 1)) + rng.normal(0, RUN_SD, (trials, folds, 1)) * np.sqrt(0.5)
    scores = worth + luck + sd * rng.normal(0, 1, size)
    best = scores.argmax(axis=2)[:, :, None]
    return Curves(scores, np.take_along_axis(worth, best, axis=2)[:, :, 0].mean(axis=1))


@dataclass(frozen=True)
class JumpingCurves:
    """As `DrawnCurves`, of curves that jump."""

    trials: int
    folds: int = 5
    epochs: int = 18

    def draw(self, subset: int | None, rng: np.random.Generator) -> CurveTable:
        curves = draw_jumping(subset or self.trials, self.folds, self.epochs, rng)
        return CurveTable(curves.scores, np.ones(curves.scores.shape), curves.truth)

"""What a proposal scores: worlds made from a table of learning curves, for benchmarks.proposals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import cross_val_predict

from orchestrator.space import SearchSpace

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Curves:
    """scores: (trials, folds, epochs); tests: (trials,); of trials without a gap alone."""

    configs: list[dict[str, Any]]
    scores: Floats
    tests: Floats


class World(Protocol):
    def begin(self, draw: int) -> None:
        """Another race; the same `draw` gives the same folds and noise."""
        ...

    def settle(self, trial: int, config: dict[str, Any]) -> dict[str, Any]:
        """Takes a proposal for a trial; the configuration that is run."""
        ...

    def curve(self, trial: int) -> Floats:
        """(folds, epochs) scores as a race sees them."""
        ...

    def truth(self, trial: int) -> float: ...


def load_curves(folder: Path) -> Curves:
    epochs = pd.read_parquet(folder / "epochs.parquet")
    trials = pd.read_parquet(folder / "trials.parquet").set_index("trial")
    shape = [int(epochs[name].max()) for name in ("trial", "fold", "epoch")]
    scores = np.full((shape[0] + 1, shape[1] + 1, shape[2]), np.nan)
    scores[epochs["trial"], epochs["fold"], epochs["epoch"] - 1] = epochs["score"]
    whole = np.flatnonzero(np.isfinite(scores).all(axis=(1, 2)))
    configs = [json.loads(trials.loc[trial, "config"]) for trial in whole]
    return Curves(configs, scores[whole], trials.loc[whole, "test_score"].to_numpy(np.float64))


class Surrogate:
    """Trees predict the mean curve; a table trial's fold x epoch residuals are drawn for each proposal."""

    def __init__(self, space: SearchSpace, curves: Curves) -> None:
        self._space = space
        features = np.stack([encode(space, config) for config in curves.configs])
        means = curves.scores.mean(axis=1)
        self._trees = ExtraTreesRegressor(200, random_state=0).fit(features, means)
        held_out = cross_val_predict(ExtraTreesRegressor(200, random_state=0), features, means, cv=8)
        self._fit = float(np.corrcoef(held_out[:, -1], means[:, -1])[0, 1])
        rest = curves.scores - means[:, None]
        self._fold_effects = rest.mean(axis=0)
        self._residuals = rest - self._fold_effects

    def __str__(self) -> str:
        return f"surrogate (its last epoch correlates {self._fit:.2f} with held-out trials')"

    def begin(self, draw: int) -> None:
        self._draw = draw
        self._folds = np.random.default_rng(draw).permutation(self._fold_effects.shape[0])
        self._curves: dict[int, Floats] = {}
        self._truths: dict[int, float] = {}

    def settle(self, trial: int, config: dict[str, Any]) -> dict[str, Any]:
        row = encode(self._space, config)[None].astype(np.float32)
        # As `predict` of the forest, without its 10 ms of checks and threads.
        mean = np.mean([tree.tree_.predict(row).ravel() for tree in self._trees.estimators_], axis=0)
        rng = np.random.default_rng([self._draw, trial])
        noise = rng.permutation(self._residuals[rng.integers(len(self._residuals))])
        self._curves[trial] = mean + self._fold_effects[self._folds] + noise
        self._truths[trial] = float(mean.max())
        return config

    def curve(self, trial: int) -> Floats:
        return self._curves[trial]

    def truth(self, trial: int) -> float:
        return self._truths[trial]


class Nearest:
    """The table's own curves: a proposal becomes its most similar configuration not yet used."""

    def __init__(self, space: SearchSpace, curves: Curves) -> None:
        self._space, self._table = space, curves
        self._features = np.stack([encode(space, config) for config in curves.configs])

    def __str__(self) -> str:
        return f"nearest of {len(self._features)}"

    def begin(self, draw: int) -> None:
        self._folds = np.random.default_rng(draw).permutation(self._table.scores.shape[1])
        self._used: dict[int, int] = {}

    def settle(self, trial: int, config: dict[str, Any]) -> dict[str, Any]:
        distances = np.abs(self._features - encode(self._space, config)).sum(axis=1)
        distances[list(self._used.values())] = math.inf
        self._used[trial] = int(distances.argmin())
        return self._table.configs[self._used[trial]]

    def curve(self, trial: int) -> Floats:
        return self._table.scores[self._used[trial]][self._folds]

    def truth(self, trial: int) -> float:
        return float(self._table.tests[self._used[trial]])


def encode(space: SearchSpace, config: Mapping[str, Any]) -> Floats:
    """Numbers a tree can split and a distance can add: a choice as halves of one-hot, floats scaled to 0..1.

    An inactive parameter is zero everywhere.
    """
    parts: list[float] = []
    for name in space.varied():
        domain = space.domains[name]
        finite = domain.finite()
        if finite is not None:
            parts += [0.5 * (name in config and config[name] == value) for value in finite]
        elif name not in config:
            parts.append(0.0)
        else:
            low, high, value = (
                math.log(x) if domain.kind == "loguniform" else x for x in (*domain.values, config[name])
            )
            parts.append((value - low) / (high - low))
    return np.asarray(parts)

"""How long an epoch takes on which node, learned from the epochs that ended. Pure.

Configurations differ in cost and nodes in speed: log seconds are taken as trial effect + node effect, so that
a node that happened to get the large networks does not look slow.
"""

from __future__ import annotations

import math

import numpy as np

from orchestrator.core.additive_fit import additive_fit

TRIALS = 500  # the newest, which the fit is made of
GROWTH = 1.1  # fitted again when there are so many times the epochs of the last fit


class Speeds:
    """Seconds per epoch by trial and node; None where nothing is known."""

    def __init__(self) -> None:
        self._means: dict[tuple[int, str], tuple[float, int]] = {}  # mean log seconds, epochs
        self._epochs, self._fitted_at = 0, 0
        self._trials: dict[int, float] = {}
        self._average = 0.0
        self._nodes: dict[str, float] = {}

    def note(self, trial: int, node: str, seconds: float) -> None:
        """An epoch that ended."""
        if seconds <= 0:
            return
        mean, count = self._means.get((trial, node), (0.0, 0))
        self._means[trial, node] = mean + (math.log(seconds) - mean) / (count + 1), count + 1
        self._epochs += 1

    def slowness(self, node: str) -> float:
        """Seconds of an epoch there beside those of the average node; 1: as long, or not known yet."""
        self._fit()
        return math.exp(self._nodes.get(node, 0.0))

    def seconds(self, trial: int, node: str) -> float | None:
        """Expected of one epoch; None before anything is known."""
        self._fit()
        if not self._trials:
            return None
        own = self._trials.get(trial, self._average)
        return math.exp(own + self._nodes.get(node, 0.0))

    def _fit(self) -> None:
        if not self._means or self._epochs < max(self._fitted_at + 1, GROWTH * self._fitted_at):
            return
        self._fitted_at = self._epochs
        newest = set(sorted({trial for trial, _ in self._means})[-TRIALS:])
        self._means = {key: mean for key, mean in self._means.items() if key[0] in newest}
        trials = {trial: row for row, trial in enumerate(sorted(newest))}
        nodes = {node: column for column, node in enumerate(sorted({node for _, node in self._means}))}
        table = np.full((len(trials), len(nodes)), np.nan)
        for (trial, node), (mean, _) in self._means.items():
            table[trials[trial], nodes[node]] = mean
        rows, columns = additive_fit(table)
        middle = float(columns.mean())
        self._trials.update({trial: float(rows[row]) + middle for trial, row in trials.items()})
        self._average = float(rows.mean()) + middle
        self._nodes = {node: float(columns[column]) - middle for node, column in nodes.items()}

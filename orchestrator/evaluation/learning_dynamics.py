"""How surely, how steadily and how late models come to agree with each given label. Pure.

Source: Swayamdipta et al., EMNLP 2020, "Dataset cartography"; Toneva et al., ICLR 2019, for forgetting.
Theirs follow rows that are trained on; these follow rows that are validated, so that no model
knows by heart the label that it is asked about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities


@dataclass(frozen=True)
class Dynamics:
    """Of each row, means over fold runs; arrays (n,), NaN where no epoch is kept.

    confidence: mean over epochs of the given label's probability. variability: its standard deviation over
    epochs. learnt: share of the epochs that pass before the label is predicted for good, 1 where it never is.
    """

    confidence: Floats
    variability: Floats
    learnt: Floats
    runs: NDArray[np.int64]  # fold runs behind each row


class DynamicsSums:
    """Takes one fold run after the other, so that no more than one run's epochs are in memory."""

    def __init__(self, rows: int) -> None:
        self._sums = np.zeros((3, rows))
        self._runs = np.zeros(rows, np.int64)

    def add(self, rows: NDArray[np.int64], labels: Labels, epochs: list[Probabilities]) -> None:
        """rows, labels (m,); epochs: (m, C) each, in their order."""
        own = np.stack([item[np.arange(len(labels)), labels] for item in epochs]).astype(np.float64)
        right = np.stack([item.argmax(axis=1) == labels for item in epochs])
        wrong_last = np.where(right.all(axis=0), 0, len(right) - np.argmin(right[::-1], axis=0))
        self._sums[0, rows] += own.mean(axis=0)
        self._sums[1, rows] += own.std(axis=0)
        self._sums[2, rows] += wrong_last / len(right)
        self._runs[rows] += 1

    def dynamics(self) -> Dynamics:
        with np.errstate(invalid="ignore"):
            means = self._sums / np.where(self._runs > 0, self._runs, np.nan)
        return Dynamics(means[0], means[1], means[2], self._runs)

"""A trainable that does nothing, at once: what remains of a study's time is the orchestrator's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Config, Parameter, Resources


class NoOp:
    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._probabilities = np.full(
            (len(dataset.validation_rows(fold)), len(dataset.classes)), 0.5, np.float32
        )

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return {"lr": Parameter(0.1)}

    @classmethod
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> None:
        """Nothing to prepare."""

    def run_epoch(self) -> dict[str, float]:
        return {"macro_f1": float(self._rng.random())}

    def probabilities(self) -> np.ndarray:
        return self._probabilities

    def weights(self) -> bytes:
        return b"weights"

    def state(self) -> bytes:
        return b"state"

    def load_state(self, data: bytes) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to free."""

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> None:
        raise TypeError("a no-op has no model: the benchmark predicts nothing")

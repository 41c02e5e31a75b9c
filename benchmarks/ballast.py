"""A trainable that holds memory, takes its time and learns a drawn curve, the same wherever it runs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.metrics import score
from orchestrator.core.trainable import Config, Parameter, Resources

MEBIBYTES, EPOCH_S = 250, 0.3  # what a fold run holds, and how long an epoch takes it


class Ballast:
    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._dataset, self._fold, self._config, self._seed = dataset, fold, config, seed
        self._epoch = 0
        self._held = np.ones(
            int(config.get("mebibytes", MEBIBYTES) * 2**20 / 8)
        )  # written to, so that it is resident

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return {
            "skill": Parameter(0.5),
            "mebibytes": Parameter(MEBIBYTES),
            "epoch_seconds": Parameter(EPOCH_S),
        }

    @classmethod
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> None:
        """Nothing to prepare."""

    def run_epoch(self) -> dict[str, float]:
        time.sleep(self._config.get("epoch_seconds", EPOCH_S))
        self._epoch += 1
        rng = np.random.default_rng([self._seed, self._epoch])
        rows = self._dataset.validation_rows(self._fold)
        labels = self._dataset.labels[rows]
        sure = self._config["skill"] * (1 - np.exp(-self._epoch / 3))
        noisy = sure * np.eye(len(self._dataset.classes))[labels] + rng.dirichlet(
            np.ones(len(self._dataset.classes)), len(rows)
        )
        self._probabilities = (noisy / noisy.sum(axis=1, keepdims=True)).astype(np.float32)
        metric = self._dataset.metric
        return {metric: score(metric, labels, self._probabilities)}

    def probabilities(self) -> np.ndarray:
        return self._probabilities

    def weights(self) -> bytes:
        return self.state()

    def state(self) -> bytes:
        return json.dumps({"epoch": self._epoch}).encode()

    def load_state(self, data: bytes) -> None:
        self._epoch = json.loads(data)["epoch"]

    def close(self) -> None:
        self._held = np.ones(0)

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> None:
        raise TypeError("ballast has no model: the benchmark predicts nothing")

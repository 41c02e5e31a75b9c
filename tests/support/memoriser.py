"""A trainable that knows by heart what it trained on and nothing else: any leak shows at once.

It also counts how many of its predictors are in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from safetensors.numpy import load, save

from orchestrator.core import metrics
from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Config, Parameter, Resources
from tests.pixel_trainable import read_pixels


class Memoriser:
    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._dataset, self._fold = dataset, fold
        paths = [str(Path(dataset.root) / path) for path in dataset.paths]
        self._pixels, rows = read_pixels(paths), dataset.training_rows(fold)
        self._known, self._labels = self._pixels[rows], dataset.labels[rows]

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return {"lr": Parameter(0.5, ("float",))}

    @classmethod
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> None:
        return

    def run_epoch(self) -> dict[str, float]:
        rows = self._dataset.validation_rows(self._fold)
        self._probabilities = recall(
            self._known, self._labels, self._pixels[rows], len(self._dataset.classes)
        )
        found = metrics.score(self._dataset.metric, self._dataset.labels[rows], self._probabilities)
        return {self._dataset.metric: found}

    def probabilities(self) -> np.ndarray:
        return self._probabilities

    def weights(self) -> bytes:
        return bytes(save({"known": self._known, "labels": self._labels}))

    def state(self) -> bytes:
        return b""

    def load_state(self, data: bytes) -> None:
        return

    def close(self) -> None:
        return

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> MemoriserPredictor:
        return MemoriserPredictor(load(weights), classes)


class MemoriserPredictor:
    alive: ClassVar[int] = 0
    most_alive: ClassVar[int] = 0
    calls: ClassVar[list[str]] = []

    def __init__(self, weights: Mapping[str, np.ndarray], classes: int) -> None:
        self._weights, self._classes = weights, classes
        MemoriserPredictor.alive += 1
        MemoriserPredictor.most_alive = max(MemoriserPredictor.most_alive, MemoriserPredictor.alive)

    def __del__(self) -> None:
        MemoriserPredictor.alive -= 1

    def predict(
        self,
        paths: Sequence[str],
        tta: str = "none",
        progress: Progress | None = None,
        columns: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        MemoriserPredictor.calls.append(tta)
        for done in range(len(paths)):
            if progress is not None:
                progress(done + 1, len(paths))
        return recall(self._weights["known"], self._weights["labels"], read_pixels(paths), self._classes)


def recall(known: np.ndarray, labels: np.ndarray, pixels: np.ndarray, classes: int) -> np.ndarray:
    """1 for the label of an image that is known, alike for all classes where it is not."""
    answers = np.full((len(pixels), classes), 1 / classes, dtype=np.float32)
    for row, image in enumerate(pixels):
        same = np.flatnonzero((known == image).all(axis=1))
        if len(same):
            answers[row] = np.eye(classes)[labels[same[0]]]
    return answers

"""A small trainable that keeps the whole contract in milliseconds: softmax regression on pixels, in numpy.

It really trains and really predicts; its parameters can also make a fold run misbehave on purpose.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from safetensors.numpy import load, save

from orchestrator.core import metrics
from orchestrator.core.callbacks import Progress
from orchestrator.core.choices import TTA
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ImageReadError, NonFiniteError
from orchestrator.core.text import on_one_line
from orchestrator.core.trainable import Config, Parameter, Resources

SIZE = 8


def read_pixels(paths: Sequence[str]) -> np.ndarray:
    """(n, SIZE * SIZE * 3) float64 in [0, 1]. Raises ImageReadError naming every unreadable file."""
    rows, bad = [], []
    for path in paths:
        image = cv2.imread(path)
        if image is None:
            bad.append(path)
            continue
        rows.append(cv2.resize(image, (SIZE, SIZE)).ravel() / 255.0)
    if bad:
        raise ImageReadError(f"{len(bad)} images cannot be read: {', '.join(map(on_one_line, bad))}")
    return np.asarray(rows)


def answer(pixels: np.ndarray, weights: np.ndarray, tta: str) -> np.ndarray:
    """Probabilities of (n, SIZE * SIZE * 3); a flip averages with the mirror images', crops are left out."""
    mirrored = pixels.reshape(-1, SIZE, SIZE, 3)[:, :, ::-1].reshape(pixels.shape)
    views = [pixels, mirrored] if "flip" in tta else [pixels]
    return np.mean([softmax(with_one(view) @ weights) for view in views], axis=0).astype(np.float32)


def with_one(pixels: np.ndarray) -> np.ndarray:
    return np.hstack([pixels, np.ones((len(pixels), 1))])


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def eat_memory(flag: Path) -> None:
    """Until someone ends this process, 12 GB at most."""
    if flag.exists():
        return
    flag.touch()
    eaten = []
    for _ in range(240):
        eaten.append(np.ones(50_000_000 // 8))
        time.sleep(0.02)
    raise RuntimeError("nobody minded 12 GB")


class PixelTrainable:
    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._dataset, self._fold, self._config = dataset, fold, dict(config)
        self._seed, self._epoch, self._gpus = seed, 0, resources.gpus
        if config.get("pid_log"):
            with Path(config["pid_log"]).open("a") as log:
                log.write(f"{os.getpid()}\n")
        self._pixels = read_pixels([str(Path(dataset.root) / path) for path in dataset.paths])
        self._weights = np.zeros((self._pixels.shape[1] + 1, len(dataset.classes)))

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        whole = Parameter(-1, ("int",))
        return {
            "lr": Parameter(0.5, ("float",), minimum=0.0),
            "raise_at": whole,  # raises an exception in this epoch
            "raise_words": Parameter("told to fail", ("str",)),  # which says so
            "nan_at": whole,  # reports a loss that is not a number
            "die_at": whole,  # the process kills itself, once per flag file
            "gpu_from": whole,  # from this epoch on a share of a GPU is too small for fold 0
            "die_flag": Parameter("", ("str",)),
            "die_on_fold": whole,
            "eat_at": whole,  # takes ever more memory in this epoch, once per flag file
            "pid_log": Parameter("", ("str",)),  # a file: the process of each fold run built
            "epoch_seconds": Parameter(0.0, ("float",)),
            "tta": Parameter("none", ("str",), choices=TTA),
        }

    @classmethod
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> None:
        read_pixels([str(Path(dataset.root) / path) for path in dataset.paths])
        if progress is not None:
            progress(len(dataset.paths), len(dataset.paths))

    def run_epoch(self) -> dict[str, float]:
        self._epoch += 1
        self._misbehave()
        time.sleep(self._config.get("epoch_seconds", 0.0))
        rows = self._dataset.training_rows(self._fold)
        order = np.random.default_rng([self._seed, self._epoch]).permutation(rows)
        for batch in np.array_split(order, max(1, len(order) // 16)):
            self._step(batch)
        held_out = self._dataset.validation_rows(self._fold)
        self._probabilities = answer(self._pixels[held_out], self._weights, self._config.get("tta", "none"))
        scored = self._dataset.scored(self._fold)
        labels, probabilities = self._dataset.labels[held_out][scored], self._probabilities[scored]
        chosen = probabilities[np.arange(len(labels)), labels]
        return {
            "macro_f1": metrics.score("macro_f1", labels, probabilities),
            "accuracy": metrics.score("accuracy", labels, probabilities),
            self._dataset.metric: metrics.score(self._dataset.metric, labels, probabilities),
            "loss_val": float(-np.log(chosen + 1e-9).mean()),
        }

    def _misbehave(self) -> None:
        config = self._config
        if self._epoch == config.get("raise_at"):
            raise RuntimeError(f"{config.get('raise_words', 'told to fail')} in epoch {self._epoch}")
        if 0 <= config.get("gpu_from", -1) <= self._epoch and self._fold == 0 and self._gpus < 1:
            raise OutOfMemoryError(f"told to need a whole GPU in epoch {self._epoch}")
        if self._epoch == config.get("nan_at"):
            raise NonFiniteError(f"loss is nan in epoch {self._epoch}")
        if self._epoch == config.get("eat_at"):
            eat_memory(Path(config["die_flag"]))
        flag = Path(config.get("die_flag", ""))
        here = config.get("die_on_fold", -1) in (-1, self._fold)
        if self._epoch == config.get("die_at") and here and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def _step(self, rows: np.ndarray) -> None:
        inputs = with_one(self._pixels[rows])
        error = softmax(inputs @ self._weights)
        error[np.arange(len(rows)), self._dataset.labels[rows]] -= 1
        self._weights -= float(self._config.get("lr", 0.5)) * inputs.T @ error / len(rows)

    def probabilities(self) -> np.ndarray:
        return self._probabilities

    def weights(self) -> bytes:
        return bytes(save({"weights": self._weights}))

    def state(self) -> bytes:
        return bytes(save({"weights": self._weights, "epoch": np.asarray([self._epoch])}))

    def load_state(self, data: bytes) -> None:
        state = load(data)
        self._weights, self._epoch = state["weights"].copy(), int(state["epoch"][0])

    def close(self) -> None:
        del self._pixels

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> PixelPredictor:
        return PixelPredictor(load(weights)["weights"])


class PixelPredictor:
    columns: ClassVar[Mapping[str, np.ndarray] | None] = None  # of the last call

    def __init__(self, weights: np.ndarray) -> None:
        self._weights = weights

    def predict(
        self,
        paths: Sequence[str],
        tta: str = "none",
        progress: Progress | None = None,
        columns: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        PixelPredictor.columns = columns
        return answer(read_pixels(paths), self._weights, tta)

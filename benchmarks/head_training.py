"""Small heads on frozen features: cheap configurations whose learning curves are those of real photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Config = dict[str, Any]
MOST_STEPS = 60  # of an epoch
CLIP = 5.0  # largest norm of a step's gradient


def draw_config(rng: np.random.Generator) -> Config:
    """Good and bad ones: learning rates over three decades, few steps an epoch, tiny batches, no schedule."""
    return {
        "features": str(rng.choice(["last", "middle", "both"])),
        "width": int(rng.choice([0, 8, 32, 64])),
        "lr": float(np.exp(rng.uniform(np.log(2e-3), np.log(2.0)))),
        "momentum": float(rng.choice([0.0, 0.9])),
        "weight_decay": float(np.exp(rng.uniform(np.log(1e-5), np.log(3e-2)))),
        "batch": int(rng.choice([8, 16, 32, 64])),
        "share": float(rng.choice([0.15, 0.4, 1.0])),
        "dropout": float(rng.choice([0.0, 0.2, 0.5])),
        "label_smoothing": float(rng.choice([0.0, 0.1])),
        "class_weights": str(rng.choice(["none", "root", "balanced"])),
        "schedule": str(rng.choice(["constant", "cosine"])),
    }


def train_head(
    config: Mapping[str, Any],
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    judged: NDArray[np.float32],
    classes: int,
    epochs: int,
    seed: int,
) -> NDArray[np.float16]:
    """(epochs, rows of judged, classes): probabilities after every epoch of SGD on inputs (n, d).

    `share` is the part of the rows, drawn anew, that one epoch visits. In numpy: a step on so few rows takes
    torch longer to arrange than to compute.
    """
    rng = np.random.default_rng(seed)
    found = np.empty((epochs, len(judged), classes), np.float16)
    for epoch, head in enumerate(heads(config, inputs, labels, classes, epochs, rng)):
        found[epoch] = head.probabilities(judged)
    return found


def heads(
    config: Mapping[str, Any],
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    epochs: int,
    rng: np.random.Generator,
) -> Iterator[Head]:
    """The same head after every epoch of SGD, which the next epoch changes."""
    head = Head(config, inputs.shape[1], classes, rng)
    weights = _class_weights(config["class_weights"], labels, classes)
    smooth = config["label_smoothing"]
    targets = (1 - smooth) * np.eye(classes, dtype=np.float32)[labels] + np.float32(smooth / classes)
    batch = config["batch"]
    steps = int(np.clip(round(config["share"] * len(labels) / batch), 1, MOST_STEPS))
    for epoch in range(epochs):
        order = rng.permutation(len(labels))
        for step in range(steps):
            rows = order[step * batch : (step + 1) * batch]
            done = (epoch + step / steps) / epochs
            pace = (1 + np.cos(np.pi * done)) / 2 if config["schedule"] == "cosine" else 1.0
            head.step(inputs[rows], targets[rows], weights[labels[rows]], config["lr"] * pace)
        yield head


class Head:
    """One linear layer, or two with ReLU between them, by SGD with momentum and weight decay."""

    def __init__(
        self, config: Mapping[str, Any], inputs: int, classes: int, rng: np.random.Generator
    ) -> None:
        self._config, self._rng = config, rng
        sizes = [inputs, config["width"], classes] if config["width"] else [inputs, classes]
        self.layers = [_layer(rows, columns, rng) for rows, columns in pairwise(sizes)]
        self._speeds = [np.zeros_like(layer) for layer in self.layers]

    def probabilities(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return answers_of(self.layers, inputs)

    def step(
        self,
        inputs: NDArray[np.float32],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        lr: float,
    ) -> None:
        first, last = self.layers[0], self.layers[-1]
        hidden = np.maximum(inputs @ first[:-1] + first[-1], 0) if len(self.layers) > 1 else inputs
        kept = self._kept(hidden.shape)
        dropped = hidden * kept
        errors = _softmax(dropped @ last[:-1] + last[-1]) - targets
        errors *= (weights / weights.sum())[:, None]
        gradients = [_gradient(dropped, errors)]
        if len(self.layers) > 1:
            gradients.insert(0, _gradient(inputs, (errors @ last[:-1].T) * kept * (hidden > 0)))
        norm = float(np.sqrt(sum((item**2).sum() for item in gradients)))
        for layer, speed, gradient in zip(self.layers, self._speeds, gradients, strict=True):
            speed *= self._config["momentum"]
            speed += gradient * min(1.0, CLIP / (norm + 1e-6)) + self._config["weight_decay"] * layer
            layer -= np.float32(lr) * speed

    def _kept(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        dropout = self._config["dropout"]
        found: NDArray[np.float32] = (self._rng.random(shape, np.float32) >= dropout).astype(np.float32)
        return found / np.float32(1 - dropout)


def answers_of(layers: Sequence[NDArray[np.float32]], inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, classes) of inputs (n, d). layers: as `_layer` makes them."""
    hidden = inputs
    for layer in layers[:-1]:
        hidden = np.maximum(hidden @ layer[:-1] + layer[-1], 0)
    return _softmax(hidden @ layers[-1][:-1] + layers[-1][-1])


def _layer(inputs: int, outputs: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(inputs + 1, outputs): weights, and intercepts in the last row."""
    limit = 1 / np.sqrt(inputs)
    return rng.uniform(-limit, limit, (inputs + 1, outputs)).astype(np.float32)


def _gradient(inputs: NDArray[np.float32], errors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.vstack([inputs.T @ errors, errors.sum(axis=0)])


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _class_weights(name: str, labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    if name == "none":
        return np.ones(classes, np.float32)
    rarity = len(labels) / (classes * np.bincount(labels, minlength=classes))
    return (rarity if name == "balanced" else np.sqrt(rarity)).astype(np.float32)

"""What rounding the stored weights to two bytes changes: probabilities, classes, scores of the same epochs.

    python -m benchmarks.half_weights                    # some five minutes of a core
    python -m benchmarks.half_weights --pretrained tf_efficientnet_lite0=lite0.safetensors

Networks learn drawn faces of 18 classes. After every epoch the rows of fold 0 are predicted with the weights
as float32, float16 and bfloat16, by what predicts from a checkpoint.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from numpy.typing import NDArray

from benchmarks.drawn_data import drawn_dataset
from orchestrator.core.dataset import Dataset
from orchestrator.core.metrics import log_loss, score
from orchestrator.core.trainable import Resources
from trainables.image_classifier import ImageClassifier
from trainables.inference import build_trained
from trainables.losses.target_shape import target_shape
from trainables.network.stored_weights import stored
from trainables.parameters import completed

BACKBONES = ("resnet18", "efficientnet_b0", "test_vit")
SIZE = 48  # pixels
HALVES = ("float16", "bfloat16")
ONE = Resources(cpus=1)


@dataclass
class Changes:
    """Of one type against float32, over epochs."""

    bytes: int = 0
    largest: list[float] = field(default_factory=list)  # of |p - p32|
    classes: list[int] = field(default_factory=list)  # rows whose most probable class is another
    scores: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


class Rows:
    """The validation rows of fold 0, read once."""

    def __init__(self, dataset: Dataset, config: dict[str, Any]) -> None:
        self._dataset, self._config = dataset, completed(config)
        rows = dataset.validation_rows(0)
        self._paths = [str(Path(dataset.root) / dataset.paths[row]) for row in rows]
        self.labels = dataset.labels[rows]

    def predict(self, weights: bytes) -> NDArray[np.float32]:
        classes = len(self._dataset.classes)
        predictor = ImageClassifier.load_predictor(weights, self._config, classes, ONE)
        return predictor.predict(self._paths)

    def as_type(self, weights: bytes, dtype: str) -> bytes:
        network, _ = build_trained(weights, self._config, len(self._dataset.classes))
        metadata = target_shape(self._dataset).metadata()
        data: bytes = safetensors.torch.save(stored(network, dtype), metadata)
        return data


def measure(dataset: Dataset, config: dict[str, Any], epochs: int) -> tuple[dict[str, Changes], list[float]]:
    """The changes by type, and the macro-F1 of each epoch with float32."""
    rows, metric = Rows(dataset, config), dataset.metric
    run = ImageClassifier(dataset, 0, config, epochs, 0, ONE)
    changes, scores = {dtype: Changes() for dtype in HALVES}, []
    for _ in range(epochs):
        run.run_epoch()
        weights = run.weights()
        whole = rows.predict(weights)
        scores.append(score(metric, rows.labels, whole))
        for dtype, found in changes.items():
            halved = rows.as_type(weights, dtype)
            answers = rows.predict(halved)
            found.bytes = len(halved)
            found.largest.append(float(np.abs(answers - whole).max()))
            found.classes.append(int((answers.argmax(1) != whole.argmax(1)).sum()))
            found.scores.append(score(metric, rows.labels, answers) - scores[-1])
            found.losses.append(log_loss(rows.labels, answers) - log_loss(rows.labels, whole))
    run.close()
    return changes, scores


HEADING = (
    "| network | float32 MB | stored as | bytes | largest change of a probability | rows of another class, "
    "of {} | macro-F1 of the epochs | largest change | of the log loss |"
)


def lines(name: str, changes: dict[str, Changes], scores: Sequence[float], whole: int) -> list[str]:
    made = []
    for dtype, found in changes.items():
        size = f"{whole / 1e6:.1f} | {dtype} | {found.bytes / whole:.3f}"
        answers = f"{max(found.largest):.1e} | {sum(found.classes)}"
        judged = f"{min(scores):.3f} to {max(scores):.3f} | {max(map(abs, found.scores)):.1e}"
        made.append(f"| {name} | {size} | {answers} | {judged} | {max(map(abs, found.losses)):.1e} |")
    return made


def config_of(backbone: str, pretrained: str | bool) -> dict[str, Any]:
    training = {"batch_size": 32, "lr": 1e-3, "weight_decay": 0.01, "warmup_epochs": 1.0}
    return {"backbone": backbone, "pretrained": pretrained, "image_size": SIZE, **training}


def main(people: int, epochs: int, backbones: Sequence[str], pretrained: Sequence[str]) -> None:
    began = time.perf_counter()
    given = dict(text.split("=", 1) for text in pretrained)
    with tempfile.TemporaryDirectory() as folder:
        dataset = drawn_dataset(Path(folder), people, SIZE)
        rows = len(dataset.validation_rows(0))
        print(f"{platform.machine()}, {os.cpu_count()} cores; {rows} rows, {epochs} epochs, seed 0\n")
        print(HEADING.format(rows * epochs) + "\n" + "|---" * 9 + "|")
        for name in (*backbones, *given):
            config = config_of(name, given.get(name, False))
            ImageClassifier.prepare(dataset, {key: [value] for key, value in config.items()})
            run = ImageClassifier(dataset, 0, config, 1, 0, ONE)
            whole = len(run.weights())
            run.close()
            print("\n".join(lines(name, *measure(dataset, config, epochs), whole)), flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--backbones", nargs="*", default=BACKBONES, help="networks that begin at random")
    parser.add_argument(
        "--pretrained", nargs="*", default=[], metavar="NAME=FILE", help="more networks, which begin there"
    )
    options = parser.parse_args()
    main(options.people, options.epochs, options.backbones, options.pretrained)

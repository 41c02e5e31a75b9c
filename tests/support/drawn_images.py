"""A small image data set that a test writes: classes differ in colour, everything else is noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset, Factor
from orchestrator.core.trainable import Resources
from trainables.image_classifier import ImageClassifier

CLASSES = ("red", "green", "blue")
SMALL = {"backbone": "test_resnet", "image_size": 32, "batch_size": 12, "lr": 3e-3}
ONE_CPU = Resources(cpus=1)


def write_dataset(root: Path, rows: int = 72, folds: int = 3, seed: int = 0) -> Dataset:
    """Rows in three classes of unequal size (3 : 2 : 1), each fold with the same shares.

    The classes are bins of an age (20, 40 or 59, 65). Each run of rows of one class is a group, some of its
    rows of one look.
    """
    rng = np.random.default_rng(seed)
    labels = np.array([(0, 0, 0, 1, 1, 2)[row % 6] for row in range(rows)])
    paths = []
    for row, label in enumerate(labels):
        image = rng.integers(0, 150, (40, 36, 3), dtype=np.uint8)
        image[..., 2 - label] += 45  # OpenCV writes BGR
        paths.append(f"row{row:03d}.png")
        cv2.imwrite(str(root / paths[-1]), image)
    return Dataset(
        root=str(root),
        paths=tuple(paths),
        labels=labels.astype(np.int64),
        folds=np.array([row // 6 % folds for row in range(rows)], np.int16),
        classes=CLASSES,
        metric="macro_f1",
        mode="max",
        fingerprint=f"written by a test, seed {seed}",
        cache_dir=str(root / "cache"),
        factors=(Factor("age", CLASSES, "age", (30.0, 60.0)),),
        columns={
            "age": np.array([(20.0, 20.0, 20.0, 40.0, 59.0, 65.0)[row % 6] for row in range(rows)]),
            "group": np.array([f"p{row // 6:02d}{label}" for row, label in enumerate(labels)]),
            "look": np.array([("plain", "plain", "hat")[row % 3] for row in range(rows)]),
        },
    )


LABEL_SETS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 0), (1, 0, 1), (1, 1, 0))


def write_labels_dataset(root: Path, rows: int = 72, folds: int = 3, seed: int = 0) -> Dataset:
    """The same where a row may have several labels: the colours that it is stronger in, or none.

    Each fold has every set of LABEL_SETS, its rows one group; blue is rare and never without red.
    """
    rng = np.random.default_rng(seed)
    labels = np.array([LABEL_SETS[row % len(LABEL_SETS)] for row in range(rows)], np.int64)
    paths = []
    for row, colours in enumerate(labels):
        image = rng.integers(0, 150, (40, 36, 3)) + 60 * colours[::-1]  # OpenCV writes BGR
        paths.append(f"row{row:03d}.png")
        cv2.imwrite(str(root / paths[-1]), image.astype(np.uint8))
    groups = np.arange(rows) // len(LABEL_SETS)
    return Dataset(
        root=str(root),
        paths=tuple(paths),
        labels=labels,
        folds=(groups % folds).astype(np.int16),
        classes=CLASSES,
        metric="macro_f1",
        mode="max",
        fingerprint=f"labels written by a test, seed {seed}",
        cache_dir=str(root / "cache"),
        factors=(Factor("labels", CLASSES, "labels"),),
        columns={"group": np.array([f"p{group:02d}" for group in groups])},
    )


def classifier(
    dataset: Dataset, epochs: int = 4, fold: int = 0, seed: int = 5, cpus: int = 1, **config: Any
) -> ImageClassifier:
    return ImageClassifier(dataset, fold, {**SMALL, **config}, epochs, seed, Resources(cpus=cpus))


def run(trained: ImageClassifier, epochs: int) -> list[tuple[dict[str, float], NDArray[np.float32]]]:
    """Metrics (without the only one that depends on the clock) and probabilities of each epoch."""
    results = []
    for _ in range(epochs):
        metrics = trained.run_epoch()
        del metrics["images_per_second"]
        results.append((metrics, trained.probabilities()))
    return results


def same(left: list[Any], right: list[Any]) -> bool:
    """Whether two runs agree in every bit."""
    return len(left) == len(right) and all(
        a[0] == b[0] and np.array_equal(a[1], b[1]) for a, b in zip(left, right, strict=True)
    )


def with_fold_poisoned(dataset: Dataset, fold: int, root: Path) -> Dataset:
    """A copy whose validation rows of one fold have other images, labels and columns."""
    root.mkdir(parents=True)
    labels, rows = dataset.labels.copy(), set(dataset.validation_rows(fold).tolist())
    columns = {name: column.copy() for name, column in dataset.columns.items()}
    for column in columns.values():
        column[sorted(rows)] = column[0]
    for row, path in enumerate(dataset.paths):
        image = cv2.imread(str(Path(dataset.root) / path))
        cv2.imwrite(str(root / path), 255 - image if row in rows else image)
        if row in rows:
            labels[row] = 2
    return replace(dataset, root=str(root), labels=labels, columns=columns, cache_dir=str(root / "cache"))

"""Does one model of all labels beat one model for each label, at equal epochs?

    python -m benchmarks.multi_label            # ten minutes on one core
    python -m benchmarks.multi_label --quick    # two drawings of each set

Leaves with 0 to 12 spots are drawn. In one of two sets the labels have a known structure: five readers count
the same spots, each with errors of their own (a standard deviation of 4), and call a leaf ill above a number
of their own, 4 to 8. In the other set nothing is shared: each label has its own mark and comes by itself.

Both sides train the same small network with the loss bce from random weights, with the same rows, seeds and
epochs; every drawing has rows of its own, a third of them validated. Compared are ROC AUC and log loss.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from orchestrator.core.dataset import Dataset
from orchestrator.core.metrics import log_loss, score
from orchestrator.core.trainable import Resources
from trainables.image_classifier import ImageClassifier

SIDE, ROWS, EPOCHS = 48, 360, 16  # pixels; a third of the rows is validated
CONFIG: dict[str, Any] = {"backbone": "test_resnet", "image_size": 24, "batch_size": 24, "lr": 3e-3}
THRESHOLDS, ERROR = (4, 5, 6, 7, 8), 4.0  # spots
GREEN, YELLOW, DARK, ORANGE, WHITE = (  # BGR
    (70, 150, 60), (60, 170, 170), (50, 95, 50), (55, 115, 120), (110, 170, 105),
)  # fmt: skip
Leaf = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Leaves:
    title: str
    labels: tuple[str, ...]
    draw: Callable[[np.random.Generator], tuple[Leaf, list[bool]]]  # one leaf and its labels


def five_readers(rng: np.random.Generator) -> tuple[Leaf, list[bool]]:
    """Dark spots, and who calls that many too many."""
    spots = int(rng.integers(0, 13))
    leaf = blank_leaf(GREEN, rng)
    add_spots(leaf, spots, DARK, rng)
    return leaf, [bool(spots + rng.normal(0, ERROR) > threshold) for threshold in THRESHOLDS]


def own_marks(rng: np.random.Generator) -> tuple[Leaf, list[bool]]:
    """A yellow leaf, a dark band, a white one, rusty spots, dark spots: each by itself."""
    labels = [bool(rng.random() < share) for share in (0.67, 0.49, 0.22, 0.27, 0.16)]
    yellow, dark_band, white_band, rust, spots = labels
    leaf = blank_leaf(YELLOW if yellow else GREEN, rng)
    for colour in [DARK] * dark_band + [WHITE] * white_band:
        centre, across = rng.integers(16, SIDE - 16, 2), rng.integers(-SIDE, SIDE, 2)
        leaf[band_of(centre, across) & leaf.any(axis=2)] = colour
    for colour in [ORANGE] * rust + [DARK] * spots:
        add_spots(leaf, int(rng.integers(2, 9)), colour, rng)
    return leaf, labels


SETS = (
    Leaves("five readers of the same spots", tuple(f">{each}" for each in THRESHOLDS), five_readers),
    Leaves("every label has a mark of its own", ("yellow", "dark", "white", "rust", "spots"), own_marks),
)


def blank_leaf(colour: tuple[int, int, int], rng: np.random.Generator) -> Leaf:
    """(SIDE, SIDE, 3) BGR, black around the leaf."""
    leaf = np.zeros((SIDE, SIDE, 3), np.uint8)
    axes = int(rng.integers(14, 20)), int(rng.integers(8, 12))
    centre = rng.integers(18, SIDE - 18, 2).tolist()
    cv2.ellipse(leaf, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    return leaf


def band_of(centre: NDArray[np.int64], across: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.line(mask, (centre - across).tolist(), (centre + across).tolist(), 1, 3)
    return mask > 0


def add_spots(leaf: Leaf, count: int, colour: tuple[int, int, int], rng: np.random.Generator) -> None:
    for row, column in rng.choice(np.argwhere(leaf.any(axis=2)), count).tolist():
        cv2.circle(leaf, (column, row), 2, colour, -1)


def draw_dataset(folder: Path, leaves: Leaves, seed: int) -> Dataset:
    """Fold 0 is validated. The leaf lies on grey; light and noise over all."""
    rng = np.random.default_rng([seed, SETS.index(leaves)])
    paths, labels = tuple(f"{row:04d}.png" for row in range(ROWS)), []
    for path in paths:
        leaf, own = leaves.draw(rng)
        image = np.where(leaf.any(axis=2)[..., None], leaf, 110) * rng.uniform(0.7, 1.2)
        noisy = np.clip(image + rng.normal(0, 25, image.shape), 0, 255)
        cv2.imwrite(str(folder / path), noisy.astype(np.uint8))
        labels.append(own)
    return Dataset(
        root=str(folder),
        paths=paths,
        labels=np.array(labels, np.int64),
        folds=(np.arange(ROWS) % 3).astype(np.int16),
        classes=leaves.labels,
        metric="roc_auc",
        mode="max",
        fingerprint=f"{leaves.title}, {seed}",
        cache_dir=str(folder / "cache"),
    )


def train(dataset: Dataset, seed: int) -> NDArray[np.float32]:
    """Probabilities of the validation rows after the last epoch."""
    model = ImageClassifier(dataset, 0, CONFIG, EPOCHS, seed, Resources(cpus=1))
    for _ in range(EPOCHS):
        model.run_epoch()
    found = model.probabilities()
    model.close()
    return found


@dataclass(frozen=True)
class Outcome:
    auc: NDArray[np.float64]  # (L,)
    log_loss: float  # mean over rows and labels
    seconds: float  # of training and validation


def judged(labels: Labels, probabilities: NDArray[np.float32], seconds: float) -> Outcome:
    aucs = [score("roc_auc", labels[:, [at]], probabilities[:, [at]]) for at in range(labels.shape[1])]
    return Outcome(np.array(aucs), log_loss(labels, probabilities), seconds)


def compare(leaves: Leaves, seed: int) -> tuple[Outcome, Outcome]:
    """Of one model for all labels, and of one for each, on the same drawing."""
    with tempfile.TemporaryDirectory() as name:
        dataset = draw_dataset(Path(name), leaves, seed)
        labels = dataset.labels[dataset.validation_rows(0)]
        started = time.perf_counter()
        together = train(dataset, seed)
        middle = time.perf_counter()
        columns = [
            replace(dataset, labels=dataset.labels[:, [at]], classes=(name,))
            for at, name in enumerate(leaves.labels)
        ]
        apart = np.concatenate([train(alone, seed) for alone in columns], axis=1)
        ended = time.perf_counter()
    return judged(labels, together, middle - started), judged(labels, apart, ended - middle)


def spread(values: Sequence[float]) -> str:
    """Mean over drawings, its 95% interval (Student's t), and how often it is above 0."""
    mean, error = float(np.mean(values)), float(stats.sem(values))
    low, high = stats.t.interval(0.95, len(values) - 1, mean, error)
    return f"{mean:+.4f} ({low:+.4f} to {high:+.4f}), {sum(value > 0 for value in values)} of {len(values)}"


def report(leaves: Leaves, pairs: Sequence[tuple[Outcome, Outcome]]) -> None:
    print(f"{leaves.title}: {len(pairs)} drawings of {ROWS} leaves, {EPOCHS} epochs")
    for at, name in enumerate(leaves.labels):
        together, apart = (np.mean([pair[side].auc[at] for pair in pairs]) for side in (0, 1))
        print(f"  ROC AUC of {name:7}{together:.4f} of one model, {apart:.4f} of one a label")
    better = [float(together.auc.mean() - apart.auc.mean()) for together, apart in pairs]
    print(f"  one model has more mean ROC AUC: {spread(better)}")
    less = [apart.log_loss - together.log_loss for together, apart in pairs]
    print(f"  one model has less log loss:     {spread(less)}")
    seconds = [sum(pair[side].seconds for pair in pairs) for side in (0, 1)]
    print(f"  seconds: {seconds[0]:.0f} of one model, {seconds[1]:.0f} of one a label", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--drawings", type=int, default=5, help="of each set, with seeds 0, 1, ...")
    parser.add_argument("--quick", action="store_true", help="two drawings")
    options = parser.parse_args(argv)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one core, {CONFIG}")
    for leaves in SETS:
        drawings = range(2 if options.quick else options.drawings)
        report(leaves, [compare(leaves, seed) for seed in drawings])


if __name__ == "__main__":
    main()

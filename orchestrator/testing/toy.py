"""A small data set and a small trainable: everything real, in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.core.array_files import Arrays
from orchestrator.core.dataset import Dataset, Factor
from orchestrator.core.errors import ImageReadError
from orchestrator.core.fold_data import FoldData, Rows
from orchestrator.core.own_trainable import BaseTrainable

COLOURS = ("red", "green", "blue")
SIDE = 8  # pixels of the squares that the toy trainable looks at


def toy_dataset(
    folder: Path, rows: int = 54, folds: int = 3, seed: int = 0, multi_label: bool = False
) -> Dataset:
    """Noisy 16 x 16 images in three classes that differ in colour, written as PNG into the folder.

    Two rows a group; every fold has whole groups. The column "size" is a number and "colour" the label. With
    multi_label each colour is a label of its own, in a column of 0 and 1: none of them, some, or all.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    # Rows come in pairs, the groups; three groups in a row are the three classes.
    classes = np.arange(rows, dtype=np.int64) // 2 % len(COLOURS)
    held = rng.integers(0, 2, (rows, len(COLOURS))) if multi_label else np.eye(3, dtype=np.int64)[classes]
    paths = tuple(f"row{row:04d}.png" for row in range(rows))
    for path, colours in zip(paths, held, strict=True):
        image = rng.integers(0, 200, (16, 16, 3), dtype=np.uint8)
        image += (50 * colours[::-1]).astype(np.uint8)  # OpenCV writes blue first
        cv2.imwrite(str(folder / path), image)
    names = np.array([COLOURS[label] for label in classes])
    answers = dict(zip(COLOURS, held.T.astype(np.float64), strict=True)) if multi_label else {"colour": names}
    return Dataset(
        root=str(folder),
        paths=paths,
        labels=held.astype(np.int64) if multi_label else classes,
        folds=(np.arange(rows) // (2 * len(COLOURS)) % folds).astype(np.int16),
        classes=COLOURS,
        metric="macro_f1",
        mode="max",
        fingerprint=f"toy, seed {seed}, {rows} rows",
        cache_dir=str(folder / "cache"),
        factors=(Factor("colour", COLOURS, next(iter(answers)), columns=tuple(answers)),),
        columns={
            **answers,
            "size": np.full(rows, 16.0),
            "group": np.array([f"g{row // 2:03d}" for row in range(rows)]),
        },
    )


def read_pixels(paths: Sequence[str]) -> NDArray[np.float64]:
    """(n, SIDE * SIDE * 3) in [0, 1], of any images. Raises ImageReadError naming all that cannot be read."""
    images = [cv2.imread(path) for path in paths]
    bad = [path for path, image in zip(paths, images, strict=True) if image is None]
    if bad:
        raise ImageReadError(f"{len(bad)} images cannot be read: {', '.join(bad[:3])}")
    flat = [cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel() / 255 for image in images]
    return np.array(flat, np.float64).reshape(len(paths), SIDE * SIDE * 3)


class ToyTrainable(BaseTrainable):
    """Softmax regression on pixels, by gradient descent: a model that learns, continues and predicts.

    Of several labels it is one logistic regression for each.
    """

    declared: ClassVar[Mapping[str, Any]] = {"lr": 0.5}

    def begin(self, data: FoldData) -> None:
        self._pixels = _with_one(read_pixels(data.paths))
        self._weights = np.zeros((self._pixels.shape[1], self.classes))

    def train_epoch(self, data: FoldData, epoch: int) -> None:
        targets = data.labels if self.multi_label else np.eye(self.classes)[data.labels]
        order = data.rng(epoch).permutation(len(data.labels))
        for batch in np.array_split(order, max(1, len(order) // 16)):
            error = self._chances(self._pixels[batch]) - targets[batch]
            self._weights -= self.config["lr"] * self._pixels[batch].T @ error / len(batch)

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        return self._chances(_with_one(read_pixels(rows.paths)))

    def _chances(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        logits = pixels @ self._weights
        return 1 / (1 + np.exp(-logits)) if self.multi_label else _softmax(logits)

    def save(self) -> Mapping[str, Any]:
        return {"weights": self._weights}

    def save_state(self) -> Mapping[str, Any]:
        return self.save()

    def load(self, weights: Arrays) -> None:
        self._weights = weights["weights"]

    def load_state_arrays(self, state: Arrays) -> None:
        self._weights = state["weights"].copy()


def _with_one(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hstack([pixels, np.ones((len(pixels), 1))])


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return shares

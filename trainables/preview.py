"""What training and validation make of the same images, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError
from trainables import seeding
from trainables.feed.link import HostLink
from trainables.feed.placement import augments_on
from trainables.feed.rarity import rare_rows
from trainables.feed.training_labels import training_labels
from trainables.images.augment import Augmenter
from trainables.images.device_augment import DeviceAugmenter
from trainables.images.device_mixing import mix_tensors
from trainables.images.mixing import mix_batch
from trainables.images.pixels import Decoding, Images
from trainables.images.reading import read_images, unreadable


@dataclass(frozen=True)
class Preview:
    """Training rows as the network would see them, in training and in validation."""

    paths: tuple[str, ...]  # (rows,), relative to the dataset's root
    labels: NDArray[np.int64]  # (rows,) classes, or (rows, L) of 0 and 1
    training: Images  # (rows, repeats, H, W, 3) uint8 RGB, each repeat drawn anew
    validation: Images  # (rows, H, W, 3) uint8 RGB


def preview(
    dataset: Dataset, config: Mapping[str, Any], fold: int, rows: int, repeats: int, seed: int
) -> Preview:
    """Of rows that fold `fold` trains on, the classes in turn; the same seed shows the same rows.

    Mixing is among the rows shown. config: complete, see parameters.py. Raises InputError.
    """
    if rows < 1 or repeats < 1:
        raise TrainableError(f"a preview needs at least 1 row and 1 repeat, not {rows} and {repeats}")
    chosen = _spread(dataset, fold, rows, np.random.default_rng([seed, fold]))
    if len(chosen) == 0:
        raise TrainableError(f"fold {fold} has no training rows to show")
    validation = _stored(dataset, config, chosen)
    changed = _Training(dataset, fold, config, chosen)
    training = [changed(validation, seeding.stream(seed, seeding.AUGMENT, 0, n)) for n in range(repeats)]
    paths = tuple(dataset.paths[row] for row in chosen)
    return Preview(paths, dataset.labels[chosen], np.stack(training, axis=1), validation)


def _stored(dataset: Dataset, config: Mapping[str, Any], chosen: NDArray[np.int64]) -> Images:
    """The rows as a store holds them, without making one: a look must not decode the whole data set."""
    paths, root = [dataset.paths[row] for row in chosen], Path(dataset.root)
    columns = {name: column[chosen] for name, column in dataset.columns.items()}
    size, preprocess, decoding = config["image_size"], config["preprocess"], Decoding.of(config)
    images, bad = read_images(paths, root, size, preprocess, columns, decoding)
    if bad:
        raise unreadable(bad, len(paths), root)
    return images


class _Training:
    """What a batch of these rows goes through, as in training.

    A configuration whose images a GPU changes goes through the same steps on tensors of the CPU, which are
    the same on every machine: "auto" is what it would be here.
    """

    def __init__(
        self, dataset: Dataset, fold: int, config: Mapping[str, Any], chosen: NDArray[np.int64]
    ) -> None:
        labels, self._classes = training_labels(dataset, config["train_edges"]), len(dataset.classes)
        own = labels[dataset.training_rows(fold)]
        self._labels = labels[chosen]
        self._is_rare = rare_rows(self._labels, own, self._classes, float(config["rare_share"]))
        self._on_device = augments_on(config, "cuda" if torch.cuda.is_available() else "cpu") == "device"
        kind = DeviceAugmenter if self._on_device else Augmenter
        self._augment: Any = kind(config["augment"], config["augment_rare"])
        self._mix = config["mix"], float(config["mix_alpha"]), float(config["mix_probability"])

    def __call__(self, images: Images, rng: np.random.Generator) -> Images:
        if self._on_device:
            return self._of_tensors(images, rng)
        changed = self._augment(images, rng, self._is_rare)
        return mix_batch(changed, self._labels, self._classes, *self._mix, rng)[0]

    def _of_tensors(self, images: Images, rng: np.random.Generator) -> Images:
        link, labels = HostLink(), torch.from_numpy(self._labels)
        changed = self._augment(torch.from_numpy(images).permute(0, 3, 1, 2), rng, self._is_rare)
        mixed, _ = mix_tensors(changed, labels, self._classes, *self._mix, rng, link.put)
        pixels: Images = mixed.permute(0, 2, 3, 1).contiguous().numpy()
        return pixels


def _spread(dataset: Dataset, fold: int, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Training rows in which every class comes up about as often, as far as there are enough.

    Where a row may have several labels, so does every label, and its absence.
    """
    shuffled = rng.permutation(dataset.training_rows(fold))
    labels = dataset.labels[shuffled]
    if labels.ndim == 2:
        return shuffled[_spread_labels(labels, rows)]
    turn = np.zeros(len(shuffled), np.int64)  # how many of its class come before it
    for label in np.unique(labels):
        own = labels == label
        turn[own] = np.arange(own.sum())
    chosen: NDArray[np.int64] = shuffled[np.lexsort((labels, turn))][:rows]
    return chosen


def _spread_labels(labels: NDArray[np.int64], rows: int) -> list[int]:
    """Positions in labels (n, L): each time the first row with the answers that were taken least so far."""
    each = np.arange(labels.shape[1])
    taken, chosen = np.zeros((len(each), 2)), list[int]()
    for _ in range(min(rows, len(labels))):
        gain = (1.0 / (1.0 + taken))[each, labels].sum(axis=1)
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        taken[each, labels[chosen[-1]]] += 1
    return chosen

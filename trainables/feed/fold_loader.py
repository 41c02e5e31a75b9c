"""The batches of one fold run: which rows, in which order, changed how, made ahead by threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError
from trainables import seeding
from trainables.device import to_tensor
from trainables.feed.rarity import rare_rows
from trainables.feed.row_sampling import epoch_length, epoch_order, expected_counts, one_row_each
from trainables.feed.training_labels import training_labels
from trainables.images.augment import Augmenter
from trainables.images.image_store import open_store
from trainables.images.mixing import mix_batch
from trainables.images.pixels import Decoding
from trainables.prefetch import in_order, slices

Batch = tuple[Tensor, Tensor]
"""Images (B, 3, H, W) uint8 and targets: classes (B,) int64, or (B, C) float32 where they were mixed.
Of several labels (B, L): int64 of 0 and 1, or float32 where they were mixed."""

REPEATED = "medium"  # what repeated validation rows go through


def one_row_per_column(dataset: Dataset, name: str) -> NDArray[Any] | None:
    """The values (n,) of the column that `one_row_per` names; None for "". Raises TrainableError."""
    if not name:
        return None
    if name not in dataset.columns:
        raise TrainableError(
            f"one_row_per={name!r} is no column of the manifest; it has {', '.join(dataset.columns)}"
        )
    return dataset.columns[name]


class FoldLoader:
    """What a fold run sees: batches of its training rows, epoch by epoch, and of its validation rows."""

    counts: NDArray[np.int64]  # (C,) rows of each class that an epoch visits on average, see expected_counts
    length: int  # rows of every epoch, whatever is drawn
    steps: int  # batches of every epoch

    def __init__(
        self,
        dataset: Dataset,
        fold: int,
        config: Mapping[str, Any],
        seed: int,
        device: torch.device,
        pool: ThreadPoolExecutor | None,
        ahead: int,
    ) -> None:
        self._dataset, self._fold, self._seed, self._config = dataset, fold, seed, config
        self._device, self._pool, self._ahead = device, pool, ahead
        self._classes = len(dataset.classes)
        self._train_rows, self._val_rows = dataset.training_rows(fold), dataset.validation_rows(fold)
        self._check_rows()
        size, preprocess = config["image_size"], config["preprocess"]
        self._images = open_store(dataset, size, preprocess, Decoding.of(config))
        self._augment = Augmenter(config["augment"], config["augment_rare"])
        self._repeat = Augmenter(REPEATED)  # the same for every trial, or their scores would not compare
        # Other bin edges may have moved them; validation is judged by the dataset's own.
        self._labels = training_labels(dataset, config["train_edges"])
        own = self._labels[self._train_rows]
        self._is_rare = rare_rows(self._labels, own, self._classes, float(config["rare_share"]))
        self._groups, self._per = self._column("group"), self._per_values()
        sampling = (config["sampler"], own, self._classes, self._groups, self._per)
        self.counts, self.length = expected_counts(*sampling), epoch_length(*sampling)
        # A small data set has one batch: an epoch without any would train nothing.
        self._batch_size = min(int(config["batch_size"]), self.length)
        self.steps = self.length // self._batch_size

    def _check_rows(self) -> None:
        scored = int(self._dataset.scored(self._fold).sum())
        if len(self._train_rows) < 2 or scored == 0:
            raise TrainableError(
                f"fold {self._fold} has {len(self._train_rows)} training and {scored} validation "
                "rows; it needs 2 and 1"
            )

    def _column(self, name: str) -> NDArray[Any] | None:
        """Of the training rows."""
        column = self._dataset.columns.get(name)
        return None if column is None else column[self._train_rows]

    def _per_values(self) -> NDArray[Any] | None:
        values = one_row_per_column(self._dataset, self._config["one_row_per"])
        return None if values is None else values[self._train_rows]

    # ---- batches ---------------------------------------------------------------------------------------

    @property
    def rows_per_epoch(self) -> int:
        return self.steps * self._batch_size

    def training(self, epoch: int) -> Iterator[Batch]:
        """`steps` batches; `epoch` counts from 0. Every draw follows from the seed and its position."""
        order = self.order(epoch)

        def make(step: int) -> Batch:
            rows = order[step * self._batch_size : (step + 1) * self._batch_size]
            rng = seeding.stream(self._seed, seeding.AUGMENT, epoch, step)
            labels = self._labels[rows]
            images = self._augment(self._images[rows], rng, self._is_rare[rows])
            mixed, targets = mix_batch(
                images,
                labels,
                self._classes,
                self._config["mix"],
                float(self._config["mix_alpha"]),
                float(self._config["mix_probability"]),
                rng,
            )
            return to_tensor(mixed, self._device), torch.from_numpy(targets)

        return self._on_device(in_order(make, self.steps, self._pool, self._ahead))

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The dataset's rows in the order in which this epoch trains on them, (length,)."""
        rng = seeding.stream(self._seed, seeding.ROW_ORDER, epoch)
        own = np.arange(len(self._train_rows))
        if self._per is not None:
            assert self._groups is not None  # else epoch_length has refused it
            own = one_row_each(self._groups, self._per, rng)
        groups = None if self._groups is None else self._groups[own]
        labels = self._labels[self._train_rows[own]]
        chosen = epoch_order(self._config["sampler"], labels, self._classes, rng, groups)
        rows: NDArray[np.int64] = self._train_rows[own[chosen]]
        return rows

    def validation(self, repeat: int = 0, size: int | None = None) -> Iterator[Batch]:
        """The validation rows in their order with the labels they are judged by; repeat 0 as stored.

        Others are copies that REPEATED changed, each row by a draw of its own: the same in every epoch and
        for every trial, whatever its own pipeline and batch size, or scores would not compare. size: rows of
        a batch; None: as many as of training's.
        """
        parts = slices(len(self._val_rows), size or max(64, self._batch_size))

        def make(step: int) -> Batch:
            rows = self._val_rows[parts[step]]
            images = np.ascontiguousarray(self._images[rows])
            if repeat:
                images = np.concatenate(
                    [self._repeated(images[at : at + 1], int(row), repeat) for at, row in enumerate(rows)]
                )
            return to_tensor(images, self._device), torch.from_numpy(self._dataset.labels[rows])

        return self._on_device(in_order(make, len(parts), self._pool, self._ahead))

    def _repeated(self, image: NDArray[np.uint8], row: int, repeat: int) -> NDArray[np.uint8]:
        return self._repeat(image, seeding.stream(0, seeding.REPEAT, repeat, row))

    def _on_device(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for images, targets in batches:
            yield images.to(self._device, non_blocking=True), targets.to(self._device, non_blocking=True)

"""The batches of one fold run: which rows, in which order, changed how, made ahead by threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError
from trainables import seeding
from trainables.device import to_tensor
from trainables.feed.device_feed import Batch as Batch
from trainables.feed.device_feed import DeviceFeed
from trainables.feed.link import Link, link_to
from trainables.feed.placement import Placement, augments_on, image_bytes, placement
from trainables.feed.rarity import rare_rows
from trainables.feed.row_sampling import epoch_length, epoch_order, expected_counts, one_row_each
from trainables.feed.training_labels import training_labels
from trainables.images.augment import Augmenter
from trainables.images.image_store import open_store
from trainables.images.mixing import mix_batch
from trainables.images.pixels import Decoding, Images
from trainables.prefetch import in_order, slices

log = logging.getLogger(__name__)

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
    """What a fold run sees: batches of its training rows, epoch by epoch, and of its validation rows.

    share: of the GPU, this fold run's. place: one of `placement.PLACES` where images shall lie; None: by the
    rule. link: the way to the device; None: the one that there is. network: bytes of the device that all else
    needs.
    """

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
        share: float = 1.0,
        place: str | None = None,
        link: Link | None = None,
        network: Callable[[], int] = lambda: 0,
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
        on_device = augments_on(config, device.type) == "device"
        self._feed: DeviceFeed | None = None
        if on_device:
            self._feed = self._device_feed(share, place, link or link_to(device), network)

    def _device_feed(
        self, share: float, place: str | None, link: Link, network: Callable[[], int]
    ) -> DeviceFeed:
        rows = np.sort(np.concatenate([self._train_rows, self._val_rows]))
        repeats, size = int(self._config["validation_repeats"]), self._config["image_size"]
        found = placement(
            image_bytes(len(rows), size),
            image_bytes(repeats * len(self._val_rows), size),
            link.memory(),
            share,
            network,
        )
        if place is not None:
            found = Placement(place, "asked for", keeps_repeats=place == "device")
        log.info("images lie on %s: %s", found.where, found.reason)
        return DeviceFeed(
            self._images, rows, self._config, self._classes, found, link, self._pool, self._ahead
        )

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
        batches = [order[part] for part in slices(self.rows_per_epoch, self._batch_size)]

        def stream(step: int) -> np.random.Generator:
            return seeding.stream(self._seed, seeding.AUGMENT, epoch, step)

        if self._feed is not None:
            return self._feed.training(batches, self._labels, self._is_rare, stream)
        return self._changed_on_cpu(batches, stream)

    def _changed_on_cpu(
        self, batches: Sequence[NDArray[np.int64]], stream: Callable[[int], np.random.Generator]
    ) -> Iterator[Batch]:
        def make(step: int) -> Batch:
            rows, rng = batches[step], stream(step)
            images = self._augment(self._images[rows], rng, self._is_rare[rows])
            mixed, targets = mix_batch(
                images,
                self._labels[rows],
                self._classes,
                self._config["mix"],
                float(self._config["mix_alpha"]),
                float(self._config["mix_probability"]),
                rng,
            )
            return to_tensor(mixed, self._device), torch.from_numpy(targets)

        return self._on_device(in_order(make, len(batches), self._pool, self._ahead))

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

        Others are copies that REPEATED changed on the CPU, each row by a draw of its own: the same in every
        epoch and for every trial, whatever its own pipeline and batch size and wherever its training images
        are changed, or scores would not compare. size: rows of a batch; None: as many as of training's.
        """
        parts = slices(len(self._val_rows), size or max(64, self._batch_size))
        batches = [self._val_rows[part] for part in parts]

        def pixels(step: int) -> Images:
            rows = batches[step]
            images = np.ascontiguousarray(self._images[rows])
            if repeat:
                images = np.concatenate(
                    [self._repeated(images[at : at + 1], int(row), repeat) for at, row in enumerate(rows)]
                )
            return images

        if self._feed is not None:
            made = in_order(pixels, len(batches), self._pool, self._ahead) if repeat else None
            on_device = self._feed.validation(repeat, batches, self._dataset.labels, made)
            if on_device is not None:
                return on_device

        def make(step: int) -> Batch:
            labels = self._dataset.labels[batches[step]]
            return to_tensor(pixels(step), self._device), torch.from_numpy(labels)

        return self._on_device(in_order(make, len(batches), self._pool, self._ahead))

    def _repeated(self, image: NDArray[np.uint8], row: int, repeat: int) -> NDArray[np.uint8]:
        return self._repeat(image, seeding.stream(0, seeding.REPEAT, repeat, row))

    def _on_device(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for images, targets in batches:
            yield images.to(self._device, non_blocking=True), targets.to(self._device, non_blocking=True)

    def close(self) -> None:
        """Lets go of the images, of those on the device too; nothing can be asked for afterwards."""
        if self._feed is not None:
            self._feed.close()
        self._feed = None

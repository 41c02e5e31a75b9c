"""Batches made where the network computes: images gathered, changed and mixed there, drawn on the host.

All that a batch is follows from the generator of its position, so it is the same wherever the images lie.
Normalisation is the network's first step (network.py), there as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.feed.link import Link
from trainables.feed.placement import Placement
from trainables.feed.stored_pixels import OnDevice, Pixels, Rows, pixels_of
from trainables.images.device_augment import DeviceAugmenter
from trainables.images.device_mixing import mix_tensors
from trainables.images.pixels import Images

Batch = tuple[Tensor, Tensor]
"""Images (B, 3, H, W) uint8 and targets: classes (B,) int64, or (B, C) float32 where they were mixed.
Of several labels (B, L): int64 of 0 and 1, or float32 where they were mixed."""


class DeviceFeed:
    """Of the rows of one fold run.

    images: the memory map (n, H, W, 3); rows: those that are trained on or validated; config: complete.
    """

    def __init__(
        self,
        images: Images,
        rows: Rows,
        config: Mapping[str, Any],
        classes: int,
        placement: Placement,
        link: Link,
        pool: ThreadPoolExecutor | None,
        ahead: int,
    ) -> None:
        self._shape, self._link, self._classes = images.shape[1:], link, classes
        self._augment = DeviceAugmenter(config["augment"], config["augment_rare"])
        self._mix = config["mix"], float(config["mix_alpha"]), float(config["mix_probability"])
        self._pixels: Pixels = pixels_of(images, rows, placement, link, pool, ahead)
        self._keeps_repeats = placement.keeps_repeats and isinstance(self._pixels, OnDevice)
        self._repeats: dict[int, OnDevice] = {}

    def training(
        self,
        batches: Sequence[Rows],
        labels: NDArray[np.int64],
        is_rare: NDArray[np.bool_],
        stream: Callable[[int], np.random.Generator],
    ) -> Iterator[Batch]:
        """For each array of rows. labels, is_rare: of all rows; stream: the generator of a batch's number."""
        for step, (images, targets) in enumerate(self._with_labels(self._pixels, batches, labels)):
            rng = stream(step)
            changed = self._augment(images, rng, is_rare[batches[step]])
            mixed, soft = mix_tensors(changed, targets, self._classes, *self._mix, rng, self._link.put)
            # Steps leave now this layout and now that: a compiled network would be compiled for each.
            yield mixed.contiguous(memory_format=torch.channels_last), soft

    def validation(
        self,
        repeat: int,
        batches: Sequence[Rows],
        labels: NDArray[np.int64],
        made: Iterator[Images] | None,
    ) -> Iterator[Batch] | None:
        """The rows as they are stored, or with `repeat` above 0 what `made` gives, one array for each batch.

        `made` is asked only the first time: a repeat has the same pixels in every epoch. None where repeats
        are not kept on the device.
        """
        if made is None:
            return self._with_labels(self._pixels, batches, labels)
        if repeat not in self._repeats and not self._keep(repeat, np.concatenate(batches), made):
            return None
        return self._with_labels(self._repeats[repeat], batches, labels)

    def _keep(self, repeat: int, rows: Rows, made: Iterator[Images]) -> bool:
        if self._keeps_repeats:
            try:
                self._repeats[repeat] = OnDevice(made, rows, self._shape, self._link)
            except torch.OutOfMemoryError:
                self._keeps_repeats = False  # made anew each time then, as where they never fit
        return self._keeps_repeats

    def _with_labels(
        self, pixels: Pixels, batches: Sequence[Rows], labels: NDArray[np.int64]
    ) -> Iterator[Batch]:
        own = self._link.put(labels[np.concatenate(batches)])
        parts = torch.split(own, [len(rows) for rows in batches])
        yield from zip(pixels.batches(batches), parts, strict=True)

    def close(self) -> None:
        """Lets go of the device's memory."""
        for pixels in (self._pixels, *self._repeats.values()):
            pixels.close()
        self._repeats.clear()

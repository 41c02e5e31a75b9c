"""Stored images as uint8 batches on the device, from wherever they lie (see placement.py)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.feed.link import Link
from trainables.feed.placement import Placement
from trainables.feed.ring import Landing, PinnedRing
from trainables.images.pixels import Images
from trainables.prefetch import in_order, slices

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
UPLOAD_BYTES = 1 << 26  # of one piece on its way to the GPU: the host never holds a second store
AHEAD = 4  # batches on the device before they are asked for, at most
AHEAD_BYTES = 1 << 26  # of them, where batches are large: they take memory from the network


class Pixels(Protocol):
    """The images of some rows of the data set."""

    def batches(self, batches: Sequence[Rows]) -> Iterator[Tensor]:
        """For each array of rows, in order: (B, 3, H, W) uint8 on the device, channels-last in memory."""
        ...

    def close(self) -> None:
        """Lets go of memory, whoever still holds this object: a traceback's frames do after a failure."""
        ...


class OnDevice:
    """All of them in one tensor on the device. Raises torch.OutOfMemoryError.

    pieces: arrays (m, H, W, 3) of the images of `rows`, in their order.
    """

    def __init__(self, pieces: Iterable[Images], rows: Rows, shape: tuple[int, ...], link: Link) -> None:
        self._link = link
        self._at = np.full(int(rows.max()) + 1, -1, np.int64)  # of a row of the data set in the tensor
        self._at[rows] = np.arange(len(rows))
        self.images = link.empty((len(rows), *shape))
        start, copied = 0, None
        for piece in pieces:
            target = self.images[start : start + len(piece)]
            copied, start = link.send(torch.from_numpy(piece), target), start + len(piece)
            link.wait(copied)  # the piece is not page-locked and goes away
        link.adopt(self.images, copied)

    def batches(self, batches: Sequence[Rows]) -> Iterator[Tensor]:
        if not batches:
            return
        # One copy for all of them: a batch is then a piece of what lies there already.
        at = self._at[np.concatenate(batches)]
        assert (at >= 0).all()  # on a GPU a wrong index would end the process's context
        positions = self._link.put(at)
        for own in torch.split(positions, [len(rows) for rows in batches]):
            yield _channels_first(self.images.index_select(0, own))

    def close(self) -> None:
        del self.images


class ThroughRing:
    """In the memory map; threads send rows ahead of time."""

    def __init__(self, ring: PinnedRing, link: Link, pool: ThreadPoolExecutor | None) -> None:
        self._ring, self._link, self._pool = ring, link, pool

    def batches(self, batches: Sequence[Rows]) -> Iterator[Tensor]:
        if not batches:
            return
        largest = max(map(len, batches))
        ahead = max(1, min(AHEAD, AHEAD_BYTES // self._ring.bytes_of(largest)))
        # in_order has at most `ahead` and one more under way, and asks for another only after this took one.
        free = deque(Landing(self._link.empty((largest, *self._ring.shape))) for _ in range(ahead + 1))
        try:
            for landing in in_order(
                lambda step: self._ring.send(batches[step], free.popleft()), len(batches), self._pool, ahead
            ):
                images = self._ring.take(landing)
                free.append(landing)
                yield _channels_first(images)
        finally:
            self._link.leave()

    def close(self) -> None:
        self._ring.close()


class OnHost:
    """In the memory map; threads read rows ahead of time, and a batch is copied when it is asked for."""

    def __init__(self, images: Images, link: Link, pool: ThreadPoolExecutor | None, ahead: int) -> None:
        self._images, self._link, self._pool, self._ahead = images, link, pool, ahead

    def batches(self, batches: Sequence[Rows]) -> Iterator[Tensor]:
        read = in_order(lambda step: self._images[batches[step]], len(batches), self._pool, self._ahead)
        for images in read:
            yield _channels_first(self._link.carry(np.asarray(images)))

    def close(self) -> None:
        pass  # the memory map is the loader's


def pixels_of(
    images: Images,
    rows: Rows,
    placement: Placement,
    link: Link,
    pool: ThreadPoolExecutor | None,
    ahead: int,
) -> Pixels:
    """The rows where the placement wants them, or where there is memory for them after all."""
    if placement.where == "device":
        try:
            return OnDevice(_pieces(images, rows), rows, images.shape[1:], link)
        except torch.OutOfMemoryError as error:
            # Another process was faster: no fold run is lost for it.
            log.warning("images stay on the host (%s): %s", placement.reason, _first_line(error))
    if placement.where in ("device", "pinned"):
        try:
            slots = 2 + (0 if pool is None else AHEAD)
            return ThroughRing(PinnedRing(images, link, slots), link, pool)
        except RuntimeError as error:
            log.warning("images are copied without page-locked buffers: %s", _first_line(error))
    return OnHost(images, link, pool, ahead)


def _pieces(images: Images, rows: Rows) -> Iterator[Images]:
    at_once = max(1, UPLOAD_BYTES // int(np.prod(images.shape[1:])))
    for part in slices(len(rows), at_once):
        yield np.asarray(images[rows[part]])


def _channels_first(images: Tensor) -> Tensor:
    """(B, H, W, 3) -> (B, 3, H, W): a view, nothing is copied."""
    return images.permute(0, 3, 1, 2)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

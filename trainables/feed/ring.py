"""A ring of page-locked buffers between the memory map and the device.

Threads of the loader fill a buffer and have it copied; a buffer is filled again only after that copy has
ended, for which its thread waits, never the one that trains.
"""

from __future__ import annotations

import queue
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trainables.feed.link import Event, Link
from trainables.images.pixels import Images
from trainables.prefetch import slices

BUFFER_BYTES = 1 << 24
"""Of one buffer: torch rounds page-locked memory up to a power of two, so this is one."""


@dataclass
class _Slot:
    buffer: Tensor
    copied: Event | None = None  # of the last copy from it


@dataclass(frozen=True)
class OnItsWay:
    """Images (B, H, W, 3) that are being copied to the device."""

    images: Tensor
    copied: Event


class PinnedRing:
    """images: (n, H, W, 3). A batch larger than a buffer crosses in pieces, so the ring's size is fixed.

    Raises RuntimeError where the host has no page-locked memory to give.
    """

    def __init__(self, images: Images, link: Link, slots: int) -> None:
        self._images, self._link = images, link
        size = self.bytes_of(1)
        self._rows = max(1, BUFFER_BYTES // size)  # of one buffer
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()  # the longest free comes first
        for _ in range(slots):
            buffer = link.buffer(self._rows * size)
            self._free.put(_Slot(buffer.view(self._rows, *images.shape[1:])))

    def bytes_of(self, rows: int) -> int:
        """Of a batch of that many."""
        return rows * int(np.prod(self._images.shape[1:]))

    def send(self, rows: NDArray[np.int64]) -> OnItsWay:
        """From any thread. rows: positions in `images`, at least one."""
        target = self._link.empty((len(rows), *self._images.shape[1:]))
        copied = [self._send(rows[part], target[part]) for part in slices(len(rows), self._rows)]
        return OnItsWay(target, copied[-1])  # one stream: the last copy ends last

    def _send(self, rows: NDArray[np.int64], target: Tensor) -> Event:
        slot = self._free.get()
        try:
            if slot.copied is not None:
                self._link.wait(slot.copied)
            buffer = slot.buffer[: len(rows)]
            np.take(self._images, rows, axis=0, out=buffer.numpy(), mode="clip")  # "raise" would copy twice
            slot.copied = self._link.send(buffer, target)
            return slot.copied
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """Once no thread sends any more. torch keeps a buffer until the copy from it has ended."""
        while not self._free.empty():
            self._free.get()

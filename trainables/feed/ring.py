"""A ring of page-locked buffers on the host, and one of tensors on the device that they are copied to.

Threads of the loader fill a buffer and have it copied. A buffer is filled again only after that copy has
ended, for which its thread waits, never the one that trains. A tensor is written to again only after the
network's stream has read it, for which the copy waits on the device. So both rings have a fixed size, and
the host is never further ahead of the device than they are long.
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


@dataclass
class Landing:
    """Room on the device for a batch on its way, (largest batch, H, W, 3)."""

    images: Tensor
    taken: Event | None = None  # when the last batch was taken from it
    copied: Event | None = None  # when the one on its way is complete
    rows: int = 0  # of the one on its way


class PinnedRing:
    """images: (n, H, W, 3). A batch larger than a buffer crosses in pieces, so the ring's size is fixed.

    Raises RuntimeError where the host has no page-locked memory to give.
    """

    def __init__(self, images: Images, link: Link, slots: int) -> None:
        self._images, self._link = images, link
        self.shape = images.shape[1:]  # of one image
        size = self.bytes_of(1)
        self._rows = max(1, BUFFER_BYTES // size)  # of one buffer
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()  # the longest free comes first
        for _ in range(slots):
            buffer = link.buffer(self._rows * size)
            self._free.put(_Slot(buffer.view(self._rows, *self.shape)))

    def bytes_of(self, rows: int) -> int:
        """Of a batch of that many."""
        return rows * int(np.prod(self.shape))

    def send(self, rows: NDArray[np.int64], landing: Landing) -> Landing:
        """From any thread. rows: positions in `images`, at least one."""
        for part in slices(len(rows), self._rows):
            # One stream: a copy begins after those before it, and the last one ends last.
            landing.copied = self._send(rows[part], landing.images[part], landing.taken)
        landing.rows = len(rows)
        return landing

    def take(self, landing: Landing) -> Tensor:
        """The batch that was sent, (rows, H, W, 3), for the thread that trains; the landing is free again."""
        taken, landing.taken = self._link.receive(landing.images[: landing.rows], landing.copied)
        return taken

    def _send(self, rows: NDArray[np.int64], target: Tensor, after: Event | None) -> Event:
        slot = self._free.get()
        try:
            if slot.copied is not None:
                self._link.wait(slot.copied)
            buffer = slot.buffer[: len(rows)]
            np.take(self._images, rows, axis=0, out=buffer.numpy(), mode="clip")  # "raise" would copy twice
            slot.copied = self._link.send(buffer, target, after)
            return slot.copied
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """Once no thread sends any more. torch keeps a buffer until the copy from it has ended."""
        while not self._free.empty():
            self._free.get()

"""Ways to devices that are none: tensors of the CPU that behave as those of a GPU, copies and memory too."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.feed.link import HostLink
from trainables.feed.placement import Memory


class LateLink(HostLink):
    """A GPU that copies as late as it may: when somebody waits for the copy or computes on what it copied.

    So a buffer that is filled again before its copy was waited for is seen in the pixels, every time.
    free: bytes on the device; what does not fit raises OutOfMemoryError. pins: whether the host has
    page-locked memory. lags: the network's stream is as late, and what it took is there after `finish`.
    """

    def __init__(self, free: int = 1 << 40, pins: bool = True, lags: bool = False) -> None:
        self._lock = threading.RLock()
        self._queued: list[Callable[[], object]] = []
        self._done = 0
        self._reads: list[Callable[[], object]] = []
        self._read = 0
        self._free, self._pins, self._lags = free, pins, lags
        self.says: Memory | None = None  # what `memory` says instead of what there is
        self.live = 0  # bytes of the tensors on the device that somebody holds
        self.most = 0  # of them at any time
        self.puts = 0  # small arrays that crossed
        self.buffers: list[Tensor] = []

    def memory(self) -> Memory | None:
        return self.says or Memory(self._free - self.live, self._free)

    def put(self, array: NDArray[Any]) -> Tensor:
        self.puts += 1
        return super().put(array)

    def buffer(self, size: int) -> Tensor:
        if not self._pins:
            raise RuntimeError("CUDA error: out of memory\nof the host")
        self.buffers.append(super().buffer(size))
        return self.buffers[-1]

    def empty(self, shape: tuple[int, ...]) -> Tensor:
        made = super().empty(shape)
        with self._lock:
            if self.live + made.nbytes > self._free:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\nmuch")
            self.live += made.nbytes
            self.most = max(self.most, self.live)
        # The storage and not the tensor: a view of it lies in the same memory.
        weakref.finalize(made.untyped_storage(), self._let_go, made.nbytes)
        return made.fill_(255)

    def _let_go(self, size: int) -> None:
        with self._lock:
            self.live -= size

    def send(self, buffer: Tensor, target: Tensor, after: int | None = None) -> int:
        def copy() -> None:
            self._network_reaches(after or 0)
            target.copy_(buffer)

        with self._lock:
            self._queued.append(copy)
            return self._done + len(self._queued)

    def wait(self, event: int) -> None:
        """One stream: what was sent before is copied before."""
        with self._lock:
            while self._done < event:
                self._queued.pop(0)()
                self._done += 1

    def receive(self, target: Tensor, event: int) -> tuple[Tensor, int]:
        """The network's stream is as late: it reads when a copy has to wait for it, or at `finish`."""
        taken = torch.empty_like(target)

        def read() -> None:
            self.wait(event)
            taken.copy_(target)

        with self._lock:
            self._reads.append(read)
            number = self._read + len(self._reads)
        if not self._lags:
            self._network_reaches(number)
        return taken, number

    def _network_reaches(self, event: int) -> None:
        with self._lock:
            while self._read < event:
                self._reads.pop(0)()
                self._read += 1

    def finish(self) -> None:
        """All that is queued, done: for the network, and copies that nobody waited for."""
        with self._lock:
            self._network_reaches(self._read + len(self._reads))
            self.wait(self._done + len(self._queued))

    def adopt(self, target: Tensor, event: int | None) -> None:
        self.wait(event or 0)

"""The way from the host's memory to the device's: the only place of the feed that names CUDA.

`HostLink` does on a CPU what `CudaLink` does on a GPU, so that all else runs and is tested without one.
Streams, events and page-locked memory as in PyTorch's notes on CUDA semantics. What crosses lands in a tensor
that belongs to the stream of copies and is copied once more by the network's stream. `record_stream` would
save that, at a price: a GPU is some steps behind the host, and the allocator would hold a batch for each.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.feed.placement import Memory

Event = Any
"""What tells that a copy has ended."""


class Link(Protocol):
    """To one device. `send` and `wait` may be called from any thread, all else by the one that trains."""

    def memory(self) -> Memory | None:
        """Of the device; None where it is the host's own."""
        ...

    def put(self, array: NDArray[Any]) -> Tensor:
        """A small array on the device; the caller doesn't wait for the copy."""
        ...

    def carry(self, array: NDArray[Any]) -> Tensor:
        """An array on the device, where the host has no page-locked memory: the caller waits."""
        ...

    def buffer(self, size: int) -> Tensor:
        """(size,) uint8 on the host, from which a copy runs beside everything else.

        Raises RuntimeError where there is no such memory.
        """
        ...

    def empty(self, shape: tuple[int, ...]) -> Tensor:
        """uint8 on the device, for `send` to write to. Raises torch.OutOfMemoryError."""
        ...

    def send(self, buffer: Tensor, target: Tensor, after: Event | None = None) -> Event:
        """Queues a copy, behind `after`; neither tensor may be touched before the event."""
        ...

    def wait(self, event: Event) -> None:
        """Until the copy has ended: for a loader's thread, never for the one that trains."""
        ...

    def receive(self, target: Tensor, event: Event) -> tuple[Tensor, Event]:
        """A copy of the target for who computes on it, queued behind the event; and when it was taken."""
        ...

    def adopt(self, target: Tensor, event: Event | None) -> None:
        """From the event on the target is for who computes, and no longer for `send`."""
        ...

    def leave(self) -> None:
        """Before targets go away: who gets their memory writes to it only after it was read."""
        ...


class HostLink:
    """Where the device is the CPU."""

    def memory(self) -> Memory | None:
        return None

    def put(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array)

    def carry(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array)

    def buffer(self, size: int) -> Tensor:
        return torch.empty(size, dtype=torch.uint8)

    def empty(self, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, dtype=torch.uint8)

    def send(self, buffer: Tensor, target: Tensor, after: Event | None = None) -> Event:
        target.copy_(buffer)
        return None

    def wait(self, event: Event) -> None:
        pass

    def receive(self, target: Tensor, event: Event) -> tuple[Tensor, Event]:
        return target.clone(), None

    def adopt(self, target: Tensor, event: Event | None) -> None:
        pass

    def leave(self) -> None:
        pass


class CudaLink:
    """Copies run on a stream of their own, so that they pass by what the network computes meanwhile."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def memory(self) -> Memory | None:
        torch.cuda.empty_cache()  # what an earlier fold run of this process left counts as free
        return Memory(*torch.cuda.mem_get_info(self._device))

    def put(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).pin_memory().to(self._device, non_blocking=True)

    def carry(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def buffer(self, size: int) -> Tensor:
        return torch.empty(size, dtype=torch.uint8, pin_memory=True)

    def empty(self, shape: tuple[int, ...]) -> Tensor:
        with torch.cuda.stream(self._stream):
            return torch.empty(shape, dtype=torch.uint8, device=self._device)

    def send(self, buffer: Tensor, target: Tensor, after: Event | None = None) -> Event:
        with torch.cuda.stream(self._stream):
            if after is not None:
                self._stream.wait_event(after)
            target.copy_(buffer, non_blocking=True)
            return self._event(self._stream)

    def wait(self, event: Event) -> None:
        event.synchronize()

    def receive(self, target: Tensor, event: Event) -> tuple[Tensor, Event]:
        current = torch.cuda.current_stream(self._device)
        current.wait_event(event)
        return target.clone(), self._event(current)

    def adopt(self, target: Tensor, event: Event | None) -> None:
        current = torch.cuda.current_stream(self._device)
        if event is not None:
            current.wait_event(event)
        target.record_stream(current)

    def leave(self) -> None:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))

    def _event(self, stream: Any) -> Event:
        # blocking: who waits for it sleeps instead of spinning on a core
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(stream)
        return event


def link_to(device: torch.device) -> Link:
    """Names the GPU by its number: a thread's "current" one is its own affair."""
    if device.type != "cuda":
        return HostLink()
    return CudaLink(torch.device("cuda", torch.cuda.current_device()))

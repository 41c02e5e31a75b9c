"""The calls into CUDA and their order, on a machine without: what is queued where, and who waits for what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from trainables.feed.link import CudaLink, link_to
from trainables.feed.placement import Memory

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")


class _Cuda:
    """torch.cuda as far as the link knows it; tensors stay on the CPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[Any] = []
        self.stream_now = "the network's stream"
        cuda = self

        class Stream:
            def __init__(self, device: torch.device) -> None:
                self.device = device

            def wait_event(self, event: Event) -> None:
                cuda.calls.append(f"the side stream waits for {event.of}")

            def wait_stream(self, stream: Current) -> None:
                assert isinstance(stream, Current)
                cuda.calls.append("the side stream waits for all that the network's has queued")

        class Current:
            def wait_event(self, event: Event) -> None:
                cuda.calls.append(f"the network's stream waits for {event.of}")

        class Event:
            def __init__(self, *, blocking: bool) -> None:
                assert blocking
                self.of = ""

            def record(self, stream: Stream | Current) -> None:
                self.of = "the copy" if isinstance(stream, Stream) else "the network's reading"
                cuda.calls.append(f"event of {self.of}")

            def synchronize(self) -> None:
                cuda.calls.append(f"a thread waits for {self.of}")

        @contextmanager
        def stream(on: Stream) -> Iterator[None]:
            cuda.stream_now = "the side stream"
            yield
            cuda.stream_now = "the network's stream"

        def copy(tensor: torch.Tensor, other: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
            cuda.calls.append(("copy", cuda.stream_now, non_blocking))
            return original_copy(tensor, other)

        def clone(tensor: torch.Tensor) -> torch.Tensor:
            cuda.calls.append(("clone", cuda.stream_now))
            return original_clone(tensor)

        def empty(shape: Any, **given: Any) -> torch.Tensor:
            cuda.calls.append(("empty", cuda.stream_now, given.pop("pin_memory", False)))
            return original_empty(shape, **given)

        def record_stream(tensor: torch.Tensor, stream: Current) -> None:
            assert isinstance(stream, Current)
            cuda.calls.append("the allocator knows that the network's stream uses it")

        original_copy, original_empty, original_clone = torch.Tensor.copy_, torch.empty, torch.Tensor.clone
        fakes = {
            "Stream": Stream,
            "Event": Event,
            "stream": stream,
            "current_stream": lambda device: Current(),
            "empty_cache": lambda: cuda.calls.append("cache emptied"),
            "mem_get_info": lambda device: (3, 8),
            "current_device": lambda: 1,
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr(torch.Tensor, "copy_", copy)
        monkeypatch.setattr(torch.Tensor, "clone", clone)
        monkeypatch.setattr(torch.Tensor, "record_stream", record_stream)
        monkeypatch.setattr(torch, "empty", empty)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> _Cuda:
    return _Cuda(monkeypatch)


def test_a_copy_runs_beside_the_network_which_waits_for_it_on_the_gpu_alone(cuda: _Cuda) -> None:
    link = CudaLink(CPU)
    buffer, target = link.buffer(12), link.empty((3, 4))
    sent = buffer.fill_(7).view(3, 4)
    copied = link.send(sent, target)
    taken, read = link.receive(target, copied)
    assert torch.equal(taken, sent) and taken.data_ptr() != target.data_ptr()
    assert cuda.calls == [
        ("empty", "the network's stream", True),  # page-locked, on the host
        ("empty", "the side stream", False),  # memory of the stream that writes to it
        ("copy", "the side stream", True),
        "event of the copy",
        "the network's stream waits for the copy",
        ("clone", "the network's stream"),
        "event of the network's reading",
    ]
    cuda.calls.clear()
    link.wait(link.send(sent, target, after=read))
    link.leave()
    assert cuda.calls == [
        "the side stream waits for the network's reading",
        ("copy", "the side stream", True),
        "event of the copy",
        "a thread waits for the copy",
        "the side stream waits for all that the network's has queued",
    ]


def test_images_that_stay_are_the_networks_from_their_copy_on(cuda: _Cuda) -> None:
    link = CudaLink(CPU)
    target = link.empty((3, 4))
    copied = link.send(link.buffer(12).view(3, 4), target)
    cuda.calls.clear()
    link.adopt(target, copied)
    assert cuda.calls == [
        "the network's stream waits for the copy",
        "the allocator knows that the network's stream uses it",
    ]


def test_what_an_earlier_fold_run_left_in_the_cache_counts_as_free(cuda: _Cuda) -> None:
    assert CudaLink(CPU).memory() == Memory(free=3, total=8)
    assert cuda.calls == ["cache emptied"]


def test_small_arrays_are_pinned_and_nobody_waits_for_them(
    cuda: _Cuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def pinned(tensor: torch.Tensor) -> torch.Tensor:
        seen.append("pinned")
        return tensor

    def to(tensor: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        seen.append((device, non_blocking))
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pinned)
    monkeypatch.setattr(torch.Tensor, "to", to)
    link, array = CudaLink(CPU), np.arange(5)
    assert np.array_equal(link.put(array).numpy(), array) and seen == ["pinned", (CPU, True)]
    seen.clear()
    assert np.array_equal(link.carry(array).numpy(), array) and seen == [(CPU, False)]


def test_a_gpu_is_named_by_its_number_since_a_threads_current_one_is_its_own_affair(cuda: _Cuda) -> None:
    link = link_to(torch.device("cuda"))
    assert isinstance(link, CudaLink) and link._device == torch.device("cuda", 1)

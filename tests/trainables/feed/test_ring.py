"""No buffer is filled again before the copy from it has ended, and no copy is waited for while training."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.support.links import LateLink
from trainables.feed import ring as ring_module
from trainables.feed import stored_pixels
from trainables.feed.link import HostLink, Link, link_to
from trainables.feed.ring import Landing, PinnedRing
from trainables.feed.stored_pixels import ThroughRing

pytestmark = pytest.mark.torch
ROWS, SHAPE = 40, (6, 7, 3)


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (ROWS, *SHAPE), np.uint8)


def drawn_batches(count: int, size: int) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, ROWS, size) for _ in range(count)]


def through(
    images: NDArray[np.uint8], batches: list[NDArray[np.int64]], link: Link, slots: int, threads: int
) -> list[NDArray[np.uint8]]:
    """What arrives, read only once everything was sent: a device may be far behind the host."""
    pool = ThreadPoolExecutor(threads) if threads else None
    try:
        arrived = list(ThroughRing(PinnedRing(images, link, slots), link, pool).batches(batches))
    finally:
        if pool is not None:
            pool.shutdown()
    if isinstance(link, LateLink):
        link.finish()
    return [batch.permute(0, 2, 3, 1).numpy() for batch in arrived]


@pytest.mark.parametrize("link", [HostLink, LateLink, lambda: LateLink(lags=True)])
@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("slots", [1, 2, 6])
def test_batches_arrive_in_order_as_they_are_stored(
    images: NDArray[np.uint8], link: Callable[[], Link], threads: int, slots: int
) -> None:
    batches = drawn_batches(30, 5)
    for rows, arrived in zip(batches, through(images, batches, link(), slots, threads), strict=True):
        assert np.array_equal(arrived, images[rows])


class _NoWaiting(LateLink):
    """A ring whose threads did not wait for their copies would look like this."""

    def wait(self, event: int) -> None:
        if threading.current_thread() is threading.main_thread():
            super().wait(event)


class _NoOrder(LateLink):
    """A ring whose copies did not wait for the network to have read would look like this."""

    def send(self, buffer: torch.Tensor, target: torch.Tensor, after: int | None = None) -> int:
        return super().send(buffer, target, None)


# Both lag: a training thread that keeps up with the loader's would have every copy made in time.
@pytest.mark.parametrize("link", [_NoWaiting, _NoOrder])
def test_what_is_overwritten_too_early_would_be_seen(images: NDArray[np.uint8], link: type[LateLink]) -> None:
    batches = drawn_batches(30, 5)
    arrived = through(images, batches, link(lags=True), 2, 1)
    assert not all(np.array_equal(a, images[rows]) for rows, a in zip(batches, arrived, strict=True))


@pytest.mark.parametrize("threads", [0, 3])
def test_a_batch_larger_than_a_buffer_crosses_in_pieces(
    images: NDArray[np.uint8], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_module, "BUFFER_BYTES", 4 * int(np.prod(SHAPE)) + 5)
    batches = [np.arange(size) for size in (1, 3, 4, 5, 8, 17)]
    link = LateLink()
    for rows, arrived in zip(batches, through(images, batches, link, 2, threads), strict=True):
        assert np.array_equal(arrived, images[rows])
    assert [buffer.nbytes for buffer in link.buffers] == [4 * int(np.prod(SHAPE))] * 2


def test_an_image_larger_than_a_buffer_has_one_of_its_size(
    images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_module, "BUFFER_BYTES", 10)
    (arrived,) = through(images, [np.arange(7)], LateLink(), 2, 0)
    assert np.array_equal(arrived, images[:7])


@pytest.mark.parametrize("batches_of_room, ahead", [(0, 1), (3, 3), (100, stored_pixels.AHEAD)])
def test_large_batches_are_fewer_ahead(
    images: NDArray[np.uint8], batches_of_room: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first batch is taken when that many after it are on their way."""
    monkeypatch.setattr(stored_pixels, "AHEAD_BYTES", batches_of_room * 5 * int(np.prod(SHAPE)))
    link = LateLink()
    with ThreadPoolExecutor(1) as pool:
        arriving = ThroughRing(PinnedRing(images, link, slots=8), link, pool).batches(drawn_batches(20, 5))
        next(arriving)
        pool.submit(lambda: None).result()  # one thread: all that was asked for has been sent now
        assert link.most == (1 + ahead) * 5 * int(np.prod(SHAPE))
        arriving.close()  # type: ignore[attr-defined]


class _Watched(LateLink):
    """Notes which threads waited, and lets no copy end before `gate` opens."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: set[int] = set()
        self.waiting, self.gate = threading.Event(), threading.Event()

    def wait(self, event: int) -> None:
        self.waited.add(threading.get_ident())
        self.waiting.set()
        assert self.gate.wait(30)
        super().wait(event)

    def receive(self, target: torch.Tensor, event: int) -> tuple[torch.Tensor, int]:
        return target.clone(), 0  # on a GPU, work is queued behind the copy; nobody waits here


def test_the_training_thread_takes_a_batch_while_a_loaders_thread_waits_for_the_copy(
    images: NDArray[np.uint8],
) -> None:
    link, batches = _Watched(), drawn_batches(4, 5)
    with ThreadPoolExecutor(1) as pool:
        arriving = ThroughRing(PinnedRing(images, link, slots=1), link, pool).batches(batches)
        pulled: list[torch.Tensor] = []
        training = threading.Thread(target=lambda: pulled.extend(arriving))
        training.start()
        assert link.waiting.wait(30)  # the loader's thread has come to the one buffer again
        assert training.ident not in link.waited
        link.gate.set()
        training.join(30)
        assert len(pulled) == 4 and training.ident not in link.waited


def test_a_fault_while_reading_gives_its_buffer_back(images: NDArray[np.uint8]) -> None:
    ring = PinnedRing(images, link := LateLink(), slots=1)

    class _Broken:
        shape = images.shape

        def __array__(self, *_: object, **__: object) -> NDArray[np.uint8]:
            raise OSError("the disk is gone")

    whole, ring._images = ring._images, _Broken()  # type: ignore[assignment]
    landing = Landing(link.empty((3, *SHAPE)))
    with pytest.raises(OSError, match="the disk is gone"):
        ring.send(np.arange(3), landing)
    ring._images = whole
    assert np.array_equal(ring.take(ring.send(np.arange(3), landing)).numpy(), images[:3])


def test_a_cpu_has_a_link_of_its_own() -> None:
    assert isinstance(link_to(torch.device("cpu")), HostLink) and HostLink().memory() is None

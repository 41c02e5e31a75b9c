"""Images arrive as they are stored from wherever they lie, and go there where there is memory for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.support.links import LateLink
from tests.support.no_sync import HostWaits
from trainables.feed import stored_pixels
from trainables.feed.placement import PLACES, Placement
from trainables.feed.stored_pixels import OnDevice, OnHost, Pixels, ThroughRing, pixels_of

pytestmark = pytest.mark.torch
SHAPE = (6, 7, 3)
ROWS = np.array([3, 4, 7, 8, 9, 20, 29])  # of 30, those that a fold run needs
BATCHES = [np.array([7, 3, 29]), np.array([8]), np.array([20, 20, 4, 9])]
KINDS = {"device": OnDevice, "pinned": ThroughRing, "host": OnHost}


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (30, *SHAPE), np.uint8)


@pytest.fixture(params=[None, 3], ids=["no pool", "pool"])
def pool(request: pytest.FixtureRequest) -> Iterator[ThreadPoolExecutor | None]:
    if request.param is None:
        yield None
        return
    with ThreadPoolExecutor(request.param) as threads:
        yield threads


def pixels(
    images: NDArray[np.uint8], where: str, link: LateLink, pool: ThreadPoolExecutor | None = None
) -> Pixels:
    return pixels_of(images, ROWS, Placement(where, "asked for"), link, pool, ahead=2)


def as_stored(given: Pixels, images: NDArray[np.uint8]) -> bool:
    arrived = list(given.batches(BATCHES))
    assert all(batch.is_contiguous(memory_format=torch.channels_last) for batch in arrived)
    return len(arrived) == len(BATCHES) and all(
        np.array_equal(batch.permute(0, 2, 3, 1).numpy(), images[rows])
        for rows, batch in zip(BATCHES, arrived, strict=True)
    )


@pytest.mark.parametrize("where", PLACES)
def test_batches_are_the_stored_images_wherever_they_lie(
    images: NDArray[np.uint8], where: str, pool: ThreadPoolExecutor | None
) -> None:
    found = pixels(images, where, LateLink(), pool)
    assert type(found) is KINDS[where]
    assert as_stored(found, images) and as_stored(found, images)  # epoch after epoch
    assert list(found.batches([])) == []


@pytest.mark.parametrize("at_once", [1, 2, 7])
def test_the_device_holds_the_rows_that_are_needed_and_no_others(
    images: NDArray[np.uint8], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_pixels, "UPLOAD_BYTES", at_once * int(np.prod(SHAPE)))
    link = LateLink()
    found = pixels(images, "device", link)
    assert link.live == len(ROWS) * int(np.prod(SHAPE)) and as_stored(found, images)


def test_indices_of_all_batches_cross_in_one_copy_and_no_batch_makes_the_host_wait(
    images: NDArray[np.uint8],
) -> None:
    link = LateLink()
    found = pixels(images, "device", link)
    with HostWaits() as waits:
        list(found.batches(BATCHES))
    assert link.puts == 1 and set(waits.seen) <= {"lift_fresh"}  # from_numpy, which `put` pins and sends
    assert waits.seen["lift_fresh"] == link.puts


def test_what_no_longer_fits_on_the_device_goes_through_the_ring_and_says_so(
    images: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    link = LateLink(free=29 * int(np.prod(SHAPE)))  # enough for batches on their way, not for 30 rows
    with caplog.at_level(logging.WARNING):
        found = pixels_of(images, np.arange(30), Placement("device", "by the rule"), link, None, 2)
    assert isinstance(found, ThroughRing) and as_stored(found, images)
    assert caplog.messages == ["images stay on the host (by the rule): CUDA out of memory. Tried to allocate"]


def test_a_host_without_page_locked_memory_copies_without(
    images: NDArray[np.uint8], caplog: pytest.LogCaptureFixture, pool: ThreadPoolExecutor | None
) -> None:
    with caplog.at_level(logging.WARNING):
        found = pixels(images, "pinned", LateLink(pins=False), pool)
    assert isinstance(found, OnHost) and as_stored(found, images)
    assert caplog.messages == ["images are copied without page-locked buffers: CUDA error: out of memory"]


def test_closing_frees_the_device_even_where_somebody_still_holds_the_batches(
    images: NDArray[np.uint8],
) -> None:
    link = LateLink()
    found = pixels(images, "device", link)
    under_way = found.batches(BATCHES)
    batch = next(under_way)
    found.close()
    assert link.live == 0 and len(batch) == 3  # a batch is a tensor of its own


def test_closing_frees_the_rings_buffers(images: NDArray[np.uint8]) -> None:
    found = pixels(images, "pinned", link := LateLink())
    assert as_stored(found, images)
    found.close()
    assert found._ring._free.empty() and len(link.buffers) == 2  # type: ignore[attr-defined]


def test_a_row_that_was_not_asked_for_is_never_another_rows_image(images: NDArray[np.uint8]) -> None:
    found = pixels(images, "device", LateLink())
    for row in (5, 30):
        with pytest.raises((AssertionError, IndexError)):
            list(found.batches([np.array([row])]))

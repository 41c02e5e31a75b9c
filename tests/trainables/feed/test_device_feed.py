"""What a fold run sees where its images are changed on the device, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.core.dataset import Dataset
from tests.support.drawn_images import SMALL
from tests.support.links import LateLink
from tests.support.no_sync import HostWaits
from trainables.feed.device_feed import Batch
from trainables.feed.fold_loader import FoldLoader
from trainables.feed.link import HostLink, Link
from trainables.feed.placement import PLACES, Memory
from trainables.parameters import completed

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
RICH = {
    "augment": "flip(0.5) + affine(10) + brightness_contrast(p=0.8)",
    "augment_rare": "vflip(1)",
    "rare_share": 0.2,
    "mix": "both",
    "mix_probability": 0.7,
    "sampler": "weighted",
}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as threads:
        yield threads


def loader(
    dataset: Dataset,
    place: str | None = None,
    link: Link | None = None,
    pool: ThreadPoolExecutor | None = None,
    augment_on: str = "device",
    **config: Any,
) -> FoldLoader:
    given = completed({**SMALL, "augment_on": augment_on, **config})
    return FoldLoader(dataset, 0, given, 5, CPU, pool, 2, place=place, link=link)


def equal(left: Iterator[Batch], right: Iterator[Batch]) -> bool:
    return all(
        torch.equal(a, c) and torch.equal(b, d) and b.dtype == d.dtype
        for (a, b), (c, d) in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("threads", [False, True])
def test_an_epoch_is_the_same_wherever_the_images_lie(
    dataset: Dataset, place: str, threads: bool, pool: ThreadPoolExecutor
) -> None:
    expected = list(loader(dataset, **RICH).training(3))
    found = loader(dataset, place, LateLink(), pool if threads else None, **RICH)
    for _ in range(2):  # and the same again: nothing carries over
        assert equal(iter(expected), found.training(3))
    assert not equal(iter(expected), found.training(4))
    assert len(expected) == found.steps == 4


def test_rows_their_order_and_their_labels_are_those_of_the_cpus_path(dataset: Dataset) -> None:
    plain = {"augment": "none", "sampler": "weighted"}
    expected = loader(dataset, augment_on="cpu", **plain)
    assert equal(expected.training(0), loader(dataset, "device", **plain).training(0))


def test_mixing_alone_draws_what_the_cpu_draws(dataset: Dataset) -> None:
    """Without steps before it the generator is at the same place: same shares, same boxes, same targets."""
    config = {"augment": "none", "mix": "cutmix", "mix_probability": 0.8}
    pairs = zip(
        loader(dataset, augment_on="cpu", **config).training(1),
        loader(dataset, "pinned", LateLink(), **config).training(1),
        strict=True,
    )
    soft = 0
    for (_, expected), (_, targets) in pairs:
        assert expected.dtype == targets.dtype and torch.allclose(expected, targets, atol=1e-7)
        soft += targets.ndim == 2
    assert soft > 0


def test_rare_rows_go_through_their_own_steps(dataset: Dataset) -> None:
    config = {"augment": "none", "augment_rare": "vflip(1)", "rare_share": 0.2}
    expected = loader(dataset, augment_on="cpu", **config)
    assert equal(expected.training(0), loader(dataset, "device", **config).training(0))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [None, 5, 1000])
def test_validation_is_the_stored_rows_and_the_same_repeats_as_on_the_cpu(
    dataset: Dataset, place: str, size: int | None, pool: ThreadPoolExecutor
) -> None:
    config = {"validation_repeats": 2, "augment": "strong"}
    on_cpu = loader(dataset, augment_on="cpu", **config)
    found = loader(dataset, place, LateLink(), pool, **config)
    for epoch in range(2):
        for repeat in range(3):
            assert equal(on_cpu.validation(repeat, size), found.validation(repeat, size)), (epoch, repeat)


@pytest.mark.parametrize("place", PLACES)
def test_several_labels_of_a_row_arrive_with_it(labels_dataset: Dataset, place: str) -> None:
    config = {"augment": "none", "mix": "mixup", "mix_probability": 0.5}
    pairs = zip(
        loader(labels_dataset, augment_on="cpu", **config).training(0),
        loader(labels_dataset, place, LateLink(), **config).training(0),
        strict=True,
    )
    for (_, expected), (_, targets) in pairs:
        assert targets.shape == (12, 3) and torch.allclose(expected.float(), targets.float(), atol=1e-7)


@pytest.mark.parametrize("place, once", [("device", 2), ("pinned", 1)])
@pytest.mark.parametrize("kind", ["none", "both"])
def test_no_batch_makes_the_host_wait(dataset: Dataset, kind: str, place: str, once: int) -> None:
    """All that crosses is pinned and sent by `put`, or by the augmentation's one buffer a batch."""
    link = LateLink()
    found = loader(dataset, place, link, augment="strong", mix=kind, mix_probability=1.0)
    with HostWaits() as waits:
        count = sum(1 for _ in found.training(0))
    assert count == found.steps
    # The labels of an epoch, and the places of its rows where they are gathered; the partners of each batch.
    assert link.puts == once + (count if kind == "both" else 0)
    looked = {name: times for name, times in waits.seen.items() if name != "lift_fresh"}
    assert looked == {}


def test_repeats_are_made_once_and_stay_on_the_device(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = loader(dataset, "device", link := LateLink(), validation_repeats=1)
    made: list[int] = []
    original = FoldLoader._repeated
    monkeypatch.setattr(
        FoldLoader, "_repeated", lambda self, *given: made.append(given[1]) or original(self, *given)
    )
    rows = dataset.validation_rows(0).tolist()
    before = link.live
    for _ in range(3):
        for _ in found.validation(1):
            pass
    assert made == rows and link.live - before == len(rows) * 32 * 32 * 3
    found.close()
    assert link.live == 0


@pytest.mark.parametrize("why", ["the rule", "no memory left"])
def test_repeats_that_do_not_fit_are_made_each_time(dataset: Dataset, why: str) -> None:
    image = 32 * 32 * 3
    own = len(dataset.training_rows(0)) + len(dataset.validation_rows(0))
    link = LateLink(free=(own + 12) * image if why == "no memory left" else 1 << 40)
    link.says = Memory(*(2 * own * image,) * 2) if why == "the rule" else Memory(1 << 40, 1 << 40)
    found = loader(dataset, link=link, validation_repeats=1)
    assert link.live == own * image  # by the rule, the images lie on the device
    expected = loader(dataset, augment_on="cpu", validation_repeats=1)
    for _ in range(2):
        assert equal(expected.validation(1), found.validation(1))
    assert link.live == own * image


def test_the_share_of_the_gpu_decides_where_images_lie(dataset: Dataset) -> None:
    image, rows = 32 * 32 * 3, len(dataset.training_rows(0)) + len(dataset.validation_rows(0))
    config = completed({**SMALL, "augment_on": "device"})
    for share, on_device in ((1.0, True), (0.5, True), (0.25, False)):
        link = LateLink(free=4 * rows * image)
        FoldLoader(dataset, 0, config, 5, CPU, None, 2, share=share, link=link)
        assert (link.most == rows * image) is on_device, share


def test_the_cpus_path_asks_no_device(dataset: Dataset) -> None:
    class _Forbidden(HostLink):
        def memory(self) -> Memory | None:
            raise AssertionError("asked")

    for augment_on in ("cpu", "auto"):
        found = loader(dataset, link=_Forbidden(), augment_on=augment_on)
        assert sum(1 for _ in found.training(0)) == found.steps


def test_an_epoch_that_is_left_half_way_leaves_nothing_behind(
    dataset: Dataset, pool: ThreadPoolExecutor
) -> None:
    found = loader(dataset, "pinned", link := LateLink(), pool, **RICH)
    batches = found.training(0)
    next(batches)
    del batches
    assert equal(found.training(0), loader(dataset, **RICH).training(0))
    pool.shutdown(wait=True)
    link.finish()  # a thread of the epoch that was left may have sent its batch last of all
    found.close()
    assert link.live == 0


def test_numbers_on_the_host_and_on_the_device_are_apart(dataset: Dataset) -> None:
    """A batch may be changed in place by who trains on it: the next epoch must not see that."""
    found = loader(dataset, "device", augment="none")
    expected = [images.clone() for images, _ in found.training(0)]
    for images, _ in found.training(0):
        images.zero_()
    for images, _ in found.validation():
        images.zero_()
    assert all(torch.equal(a, b) for a, (b, _) in zip(expected, found.training(0), strict=True))
    stored = np.asarray(found._images[dataset.validation_rows(0)])
    assert stored.any()


@pytest.mark.parametrize("augment", ["none", "affine(10, p=1)", "gamma(p=0.5)"])
@pytest.mark.parametrize("mix", ["none", "both"])
def test_every_batch_has_one_layout_in_memory_whatever_its_steps_leave(
    dataset: Dataset, augment: str, mix: str
) -> None:
    """A compiled network is compiled anew for every other one, and after eight of them no more."""
    batches = [
        images
        for epoch in range(3)
        for images, _ in loader(dataset, augment=augment, mix=mix, batch_size=4).training(epoch)
    ]
    height, width = batches[0].shape[2:]
    assert {images.stride() for images in batches} == {(height * width * 3, 1, width * 3, 3)}

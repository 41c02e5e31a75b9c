from __future__ import annotations

import pytest

from orchestrator.core.errors import TrainableError
from trainables.feed.placement import Memory, augments_on, image_bytes, placement
from trainables.parameters import completed

GB = 10**9
H100, T4 = Memory(80 * GB, 85 * GB), Memory(15 * GB, 16 * GB)


@pytest.mark.parametrize(
    "config, device, expected",
    [
        ({}, "cpu", "cpu"),
        ({}, "cuda", "device"),
        ({"augment_on": "auto"}, "cuda", "device"),
        ({"augment_on": "cpu"}, "cuda", "cpu"),
        ({"augment_on": "device"}, "cpu", "device"),
        ({"augment_on": "device"}, "cuda", "device"),
    ],
)
def test_auto_is_the_device_where_it_is_a_gpu(config: dict[str, str], device: str, expected: str) -> None:
    assert augments_on(completed(config), device) == expected


def test_bytes_are_those_of_uint8_rgb() -> None:
    assert image_bytes(10, 112) == 10 * 112 * 112 * 3
    assert image_bytes(10, "24x32") == 10 * 24 * 32 * 3
    with pytest.raises(TrainableError):
        image_bytes(10, "24by32")


@pytest.mark.parametrize(
    "needed, memory, share, where",
    [
        (30 * GB, H100, 1.0, "device"),  # half of what is free
        (41 * GB, H100, 1.0, "pinned"),
        (30 * GB, H100, 0.5, "pinned"),  # half of half of all of it is less
        (5 * GB, H100, 0.125, "device"),
        (6 * GB, H100, 0.125, "pinned"),
        (7 * GB, T4, 1.0, "device"),
        (8 * GB, T4, 1.0, "pinned"),
        (4 * GB, Memory(6 * GB, 85 * GB), 0.5, "pinned"),  # others have taken the rest
        (30 * GB, H100, 4.0, "device"),  # of several GPUs a fold run uses one
        (50 * GB, H100, 4.0, "pinned"),
    ],
)
def test_images_take_half_of_a_fold_runs_own_part_at_most(
    needed: int, memory: Memory, share: float, where: str
) -> None:
    found = placement(needed, 0, memory, share)
    assert found.where == where and f"{needed / GB:.2f} GB of images" in found.reason


@pytest.mark.parametrize("runs", [1, 2, 4, 8, 16])
def test_fold_runs_that_share_a_gpu_leave_half_of_it_together(runs: int) -> None:
    """Each decides alone, before the others have taken theirs."""
    most = next(
        needed for needed in range(85 * GB, 0, -GB // 4)
        if placement(needed, 0, Memory(85 * GB, 85 * GB), 1 / runs).where == "device"
    )  # fmt: skip
    assert 0.85 * 42.5 * GB < runs * most <= 42.5 * GB


@pytest.mark.parametrize(
    "images, network, where",
    [(30, 45, "device"), (30, 55, "pinned"), (10, 65, "device"), (10, 75, "pinned"), (30, 200, "pinned")],
)
def test_what_the_network_needs_is_left_to_it(images: int, network: int, where: str) -> None:
    """On a GPU that a fold run has to itself there is no larger share to go on with."""
    assert placement(images * GB, 0, H100, 1.0, lambda: network * GB).where == where


@pytest.mark.parametrize("images, asked", [(4, False), (6, True), (40, True), (41, False)])
def test_the_network_is_asked_about_only_where_the_answer_matters(images: int, asked: bool) -> None:
    calls: list[int] = []
    placement(images * GB, 0, H100, 1.0, lambda: calls.append(1) or 0)
    assert bool(calls) is asked


def test_repeats_stay_on_the_gpu_only_where_both_fit() -> None:
    assert placement(10 * GB, 10 * GB, H100, 1.0).keeps_repeats
    both = placement(30 * GB, 20 * GB, H100, 1.0)
    assert both.where == "device" and not both.keeps_repeats  # repeats never send the images away
    assert not placement(50 * GB, 1, H100, 1.0).keeps_repeats


def test_on_a_cpu_images_stay_in_the_memory_map_that_all_share() -> None:
    assert placement(1, 0, None, 1.0).where == "host"

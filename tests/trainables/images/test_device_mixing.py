"""Mixing on tensors: the draws, shares and targets of the CPU's own, and nothing to wait for."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.core.errors import TrainableError
from tests.support.no_sync import HostWaits
from trainables.images.device_mixing import mix_tensors
from trainables.images.mixing import mix_batch

pytestmark = pytest.mark.torch
CLASSES = 6


def noise(seed: int = 0, height: int = 18, width: int = 25) -> NDArray[np.uint8]:
    return np.random.default_rng([7, seed]).integers(0, 256, (CLASSES, height, width, 3), np.uint8)


def on_tensors(
    images: NDArray[np.uint8], targets: NDArray[np.int64], kind: str, seed: int, probability: float = 1.0
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    classes = CLASSES if targets.ndim == 1 else targets.shape[1]
    mixed, soft = mix_tensors(
        tensor,
        torch.from_numpy(targets),
        classes,
        kind,
        1.0,
        probability,
        np.random.default_rng(seed),
        torch.from_numpy,
    )
    assert mixed.shape == tensor.shape and mixed.dtype == torch.uint8
    return mixed.permute(0, 2, 3, 1).numpy(), soft.numpy()


@pytest.mark.parametrize("kind", ["none", "mixup", "cutmix", "both"])
def test_batches_and_targets_are_those_that_a_cpu_makes_of_the_same_draws(kind: str) -> None:
    labels = np.random.default_rng(1).integers(0, 2, (CLASSES, 4))
    for seed in range(20):
        for targets in (np.arange(CLASSES), labels):
            classes = CLASSES if targets.ndim == 1 else 4
            given = noise(seed)
            images, soft = mix_batch(given, targets, classes, kind, 1.0, 0.8, np.random.default_rng(seed))
            mixed, mixed_soft = on_tensors(given, targets, kind, seed, probability=0.8)
            assert np.abs(mixed.astype(int) - images).max() <= (0 if kind in ("none", "cutmix") else 1)
            assert mixed_soft.dtype == soft.dtype
            assert mixed_soft == pytest.approx(soft, abs=1e-7)


def test_mixup_is_rounded_as_on_the_cpu_but_for_a_few_values_between_two_levels() -> None:
    off = 0.0
    for seed in range(20):
        given = noise(seed)
        images, _ = mix_batch(
            given, np.arange(CLASSES), CLASSES, "mixup", 1.0, 1.0, np.random.default_rng(seed)
        )
        off += float((on_tensors(given, np.arange(CLASSES), "mixup", seed)[0] != images).mean()) / 20
    assert off < 0.002


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_what_is_given_stays_as_it_was(kind: str) -> None:
    given, targets = noise(), np.arange(CLASSES)
    on_tensors(given, targets, kind, seed=3)
    assert np.array_equal(given, noise()) and np.array_equal(targets, np.arange(CLASSES))


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "both"])
@pytest.mark.parametrize("several", [False, True])
def test_nothing_waits_for_the_device(kind: str, several: bool) -> None:
    images = torch.from_numpy(noise()).permute(0, 3, 1, 2)
    targets = torch.ones((CLASSES, 3), dtype=torch.int64) if several else torch.arange(CLASSES)
    puts = 0

    def put(array: NDArray[np.int64]) -> Tensor:
        nonlocal puts
        puts += 1
        return torch.from_numpy(array)

    for seed in range(4):
        with HostWaits() as waits:
            mix_tensors(images, targets, CLASSES, kind, 1.0, 1.0, np.random.default_rng(seed), put)
        assert waits.seen == {"lift_fresh": 1}
    assert puts == 4  # the partners, one copy a batch


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_no_value_on_the_device_is_looked_at(kind: str) -> None:
    """Tensors without values: whoever looks at one is refused."""
    images = torch.empty((CLASSES, 3, 8, 9), dtype=torch.uint8, device="meta")
    targets = torch.empty(CLASSES, dtype=torch.int64, device="meta")
    mixed, soft = mix_tensors(
        images,
        targets,
        CLASSES,
        kind,
        1.0,
        1.0,
        np.random.default_rng(0),
        lambda array: torch.from_numpy(array).to("meta"),
    )
    assert mixed.shape == images.shape and soft.shape == (CLASSES, CLASSES)


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(TrainableError, match="mix='blend'"):
        on_tensors(noise(), np.arange(CLASSES), "blend", 0)


@pytest.mark.parametrize(
    "kind, digest",
    [("mixup", "12fdce937d28049d"), ("cutmix", "e5012e14f14fc5ca"), ("both", "a63b9fa19ea931c0")],
)
def test_the_cpus_draws_are_those_of_earlier_versions(kind: str, digest: str) -> None:
    """A study that goes on draws what it would have drawn; digests of version 0.3's targets and boxes."""
    seen = hashlib.sha256()
    for seed in range(8):
        given = np.random.default_rng(100 + seed).integers(0, 256, (6, 9, 12, 3), np.uint8)
        images, targets = mix_batch(given, np.arange(6), 6, kind, 0.7, 0.8, np.random.default_rng(seed))
        seen.update(np.asarray(targets, np.float32).tobytes())
        if kind == "cutmix":
            seen.update(images.tobytes())
    assert seen.hexdigest()[:16] == digest

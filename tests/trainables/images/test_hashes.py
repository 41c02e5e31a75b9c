"""Perceptual hashes: alike for pictures that look alike, in every orientation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.planted_copies import scene
from orchestrator.core.image_measures import ORIENTATIONS, oriented
from trainables.images.hashes import SIDE, hashes_of, qualities_of
from trainables.images.image_statistics import square

pytestmark = pytest.mark.torch


def squares(count: int) -> NDArray[np.uint8]:
    return np.array([square(scene(seed)[..., 1], SIDE) for seed in range(count)])


def bits_apart(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> int:
    return int(np.bitwise_count(one ^ other).sum())


@pytest.mark.parametrize("way", range(ORIENTATIONS))
def test_the_hash_of_an_orientation_is_that_of_the_picture_laid_down_so(way: int) -> None:
    pictures = squares(4)
    turned = np.ascontiguousarray(oriented(pictures, way))
    for own, of_turned in zip(hashes_of(pictures), hashes_of(turned), strict=True):
        assert bits_apart(own[way], of_turned[0]) <= 2  # a coefficient of almost nothing may fall either way


def test_other_pictures_are_far_in_every_orientation() -> None:
    hashes = hashes_of(squares(8))
    apart = [
        min(bits_apart(one[0], other[way]) for way in range(ORIENTATIONS))
        for number, one in enumerate(hashes)
        for other in hashes[:number]
    ]
    assert min(apart) > 60


def test_brighter_and_noisier_pictures_are_near() -> None:
    pictures = squares(8)
    rng = np.random.default_rng(0)
    changed = np.clip(pictures * 0.8 + 30 + rng.normal(0, 4, pictures.shape), 0, 255).astype(np.uint8)
    for one, other in zip(hashes_of(pictures), hashes_of(changed), strict=True):
        assert bits_apart(one[0], other[0]) <= 24


def test_quality_is_nothing_where_there_is_nothing_to_compare() -> None:
    ramp = np.tile(np.linspace(0, 255, SIDE).astype(np.uint8), (SIDE, 1))
    noise = np.random.default_rng(0).normal(128, 0.7, (SIDE, SIDE)).astype(np.uint8)
    flat = np.full((SIDE, SIDE), 90, np.uint8)
    assert qualities_of(np.array([flat, noise])).tolist() == pytest.approx([0, 0], abs=2)
    assert qualities_of(ramp[None])[0] < qualities_of(squares(1))[0]

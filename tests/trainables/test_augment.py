from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from orchestrator.errors import TrainableError
from trainables.augment import TABLE, Augmenter, train_pipeline, validation_pipeline
from trainables.parameters import STRENGTHS

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def test_the_table_has_the_strengths_a_space_may_name() -> None:
    assert tuple(TABLE) == STRENGTHS


def test_validated_images_go_through_unchanged() -> None:
    assert np.array_equal(validation_pipeline()(image=IMAGES[0])["image"], IMAGES[0])


def test_strength_none_changes_nothing() -> None:
    assert np.array_equal(Augmenter("none")(IMAGES, np.random.default_rng(1)), IMAGES)


@pytest.mark.parametrize("strength", ["light", "medium", "strong"])
def test_augmented_images_keep_shape_and_follow_from_the_generator(strength: str) -> None:
    augment = Augmenter(strength)
    first, second, other = (augment(IMAGES, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == IMAGES.shape and first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other) and not np.array_equal(first, IMAGES)


def test_a_stronger_strength_changes_images_more() -> None:
    slope = np.abs(np.linspace(-255, 255, 32)).astype(np.uint8)  # its mirror image is the same
    smooth = np.tile(slope[None, :, None], (32, 1, 3))
    images = np.stack([smooth] * 64)
    change = [
        np.abs(Augmenter(name)(images, np.random.default_rng(0)).astype(int) - images).mean()
        for name in STRENGTHS
    ]
    assert change[0] == 0 and change == sorted(change)


def test_images_of_a_batch_are_changed_independently() -> None:
    """Mirror, shift and light are drawn apart: half of the images are mirrored, whatever else happens."""
    left = np.zeros((32, 32, 3), np.uint8)
    left[:, :16] = 255
    images = Augmenter("light")(np.stack([left] * 200), np.random.default_rng(0))
    brighter_left = images[:, :, :8].mean(axis=(1, 2, 3)) > images[:, :, -8:].mean(axis=(1, 2, 3))
    assert 70 < brighter_left.sum() < 130


def test_threads_do_not_disturb_each_other() -> None:
    augment = Augmenter("strong")
    expected = [augment(IMAGES, np.random.default_rng(seed)) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: augment(IMAGES, np.random.default_rng(seed)), range(24)))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_an_unknown_strength_is_refused_by_name() -> None:
    with pytest.raises(TrainableError, match="augment='wild'"):
        train_pipeline("wild")

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.images.augment import STRENGTHS, Augmenter, check_augment
from trainables.parameters import PARAMETERS

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


MIXED = "flip(0.5) + rotate(15) + one_of(noise(0.1), clahe(), p=0.7) + color() + coarse_dropout(0.4)"


def test_the_default_is_a_strength_of_the_table() -> None:
    assert PARAMETERS["augment"].default in STRENGTHS


def test_strength_none_changes_nothing() -> None:
    assert np.array_equal(Augmenter("none")(IMAGES, np.random.default_rng(1)), IMAGES)


@pytest.mark.parametrize("strength", ["light", "medium", "strong", MIXED])
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


@pytest.mark.parametrize("spec", ["strong", MIXED])
def test_threads_do_not_disturb_each_other(spec: str) -> None:
    augment = Augmenter(spec)
    expected = [augment(IMAGES, np.random.default_rng(seed)) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: augment(IMAGES, np.random.default_rng(seed)), range(24)))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_rare_rows_go_through_a_pipeline_of_their_own() -> None:
    is_rare = np.array([False, True, False, False, True, False])
    found = Augmenter("none", rare="flip(1)")(IMAGES, np.random.default_rng(0), is_rare)
    assert np.array_equal(found[~is_rare], IMAGES[~is_rare])
    assert np.array_equal(found[is_rare], IMAGES[is_rare][:, :, ::-1])


@pytest.mark.parametrize("is_rare", [None, np.zeros(6, np.bool_)])
def test_without_rare_rows_a_rare_pipeline_changes_nothing(is_rare: NDArray[np.bool_] | None) -> None:
    plain = Augmenter("medium")(IMAGES, np.random.default_rng(4))
    assert np.array_equal(Augmenter("medium", "flip(1)")(IMAGES, np.random.default_rng(4), is_rare), plain)


def test_without_a_rare_pipeline_rare_rows_are_as_the_others() -> None:
    plain = Augmenter("light")(IMAGES, np.random.default_rng(4))
    assert np.array_equal(Augmenter("light")(IMAGES, np.random.default_rng(4), np.ones(6, np.bool_)), plain)


def test_a_read_only_batch_stays_as_it_was() -> None:
    images = IMAGES.copy()
    images.flags.writeable = False
    for spec in ("none", "", MIXED, "coarse_dropout(0.5, p=1)"):
        changed = Augmenter(spec)(images, np.random.default_rng(0))
        assert changed.flags.writeable and np.array_equal(images, IMAGES)


def test_an_unknown_strength_is_refused_by_name() -> None:
    with pytest.raises(TrainableError, match="augment='wild'"):
        check_augment("wild")


def test_a_misspelt_strength_is_told_the_closest_one() -> None:
    with pytest.raises(TrainableError, match="did you mean medium"):
        check_augment("mediun")
    with pytest.raises(TrainableError, match="augment_rare='wild'"):
        Augmenter("light", "wild")

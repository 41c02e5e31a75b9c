from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.images.mixing import mix_batch

CLASSES = 6


def flat_batch(height: int = 20, width: int = 30) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Image b is everywhere 50 b, and its class is b: shares of pixels can be read off."""
    images = np.empty((CLASSES, height, width, 3), np.uint8)
    images[:] = (50 * np.arange(CLASSES))[:, None, None, None]
    return images, np.arange(CLASSES)


def mixed(kind: str, seed: int, probability: float = 1.0) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    images, targets = flat_batch()
    rng = np.random.default_rng(seed)
    new, soft = mix_batch(images, targets, CLASSES, kind, 1.0, probability, rng)
    assert new.dtype == np.uint8 and new.shape == images.shape and new.flags.c_contiguous
    return new, soft.astype(np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_cutmix_targets_are_the_shares_of_pixels(seed: int) -> None:
    new, soft = mixed("cutmix", seed)
    for image, row in zip(new, soft, strict=True):
        shares = np.bincount(image[..., 0].ravel() // 50, minlength=CLASSES) / image[..., 0].size
        assert row == pytest.approx(shares, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_mixup_images_and_targets_have_the_same_share(seed: int) -> None:
    new, soft = mixed("mixup", seed)
    means = soft.astype(float) @ (50.0 * np.arange(CLASSES))
    assert np.abs(new - means[:, None, None, None]).max() <= 0.5 + 1e-3  # rounded to the nearest
    assert soft.sum(axis=1) == pytest.approx(1.0)


def test_mixup_keeps_each_pixel_in_its_place() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 8, 9, 3), np.uint8)
    new, soft = mix_batch(images, np.arange(4), 4, "mixup", 1.0, 1.0, rng)
    expected = np.einsum("bc,chwd->bhwd", soft.astype(float), images.astype(float))
    assert np.abs(new - expected).max() <= 0.5 + 1e-3


def test_cutmix_pastes_one_box_from_the_same_place() -> None:
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (4, 32, 40, 3), np.uint8)
    new, soft = mix_batch(images, np.arange(4), 4, "cutmix", 1.0, 1.0, rng)
    for number, row in enumerate(soft):
        for partner in set(np.flatnonzero(row)) - {number}:
            other = (new[number] != images[number]).any(axis=2)
            assert np.array_equal(new[number][other], images[partner][other])
            rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
            assert len(rows) == np.ptp(rows) + 1 and len(columns) == np.ptp(columns) + 1
            assert other[np.ix_(rows, columns)].mean() > 0.99  # equal pixels by chance are not seen
            assert row[partner] == pytest.approx(len(rows) * len(columns) / (32 * 40))


@pytest.mark.parametrize("alpha, variance", [(0.2, 0.25 / 1.4), (1.0, 0.25 / 3), (8.0, 0.25 / 17)])
def test_shares_are_drawn_from_the_beta_distribution(alpha: float, variance: float) -> None:
    images, targets = np.zeros((2, 2, 2, 3), np.uint8), np.array([0, 1])
    shares = []
    for seed in range(800):
        _, soft = mix_batch(images, targets, 2, "mixup", alpha, 1.0, np.random.default_rng(seed))
        shares.append(float(soft[0, 0]))
    drawn = np.array(shares)[np.array(shares) < 1.0]  # 1: drawn as its own partner
    assert drawn.mean() == pytest.approx(0.5, abs=0.06)
    assert drawn.var() == pytest.approx(variance, rel=0.2)


def test_only_the_asked_share_of_batches_is_mixed_and_the_rest_is_untouched() -> None:
    images, targets = flat_batch()
    clean = 0
    for seed in range(400):
        new, labels = mix_batch(images, targets, CLASSES, "both", 1.0, 0.3, np.random.default_rng(seed))
        if labels.dtype == np.int64:
            clean += 1
            assert new is images and labels is targets
        else:
            assert labels.dtype == np.float32 and labels.shape == (CLASSES, CLASSES)
    assert clean == pytest.approx(280, abs=40)


def test_none_never_mixes() -> None:
    images, targets = flat_batch()
    new, labels = mix_batch(images, targets, CLASSES, "none", 1.0, 1.0, np.random.default_rng(0))
    assert new is images and labels is targets


def test_both_is_mixup_or_cutmix_evenly() -> None:
    cut = 0
    for seed in range(200):
        new, _ = mixed("both", seed)
        cut += set(np.unique(new)) <= set(range(0, 256, 50))
    assert cut == pytest.approx(100, abs=35)


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "both"])
def test_the_batch_given_is_not_changed_and_the_result_follows_from_the_generator(kind: str) -> None:
    images, targets = flat_batch()
    first, second, other = (
        mix_batch(images, targets, CLASSES, kind, 1.0, 1.0, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(images, flat_batch()[0]) and np.array_equal(targets, flat_batch()[1])
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])
    assert not np.array_equal(first[1], other[1])


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(TrainableError, match="mix='blend'"):
        mixed("blend", 0)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_several_labels_of_a_row_are_mixed_by_the_share_of_the_images(kind: str) -> None:
    """Labels as classes and the same labels one column each: what the images' shares are is known."""
    images, classes = flat_batch()
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1]])
    given = labels.copy()
    new, shares = mix_batch(images, classes, CLASSES, kind, 1.0, 1.0, np.random.default_rng(7))
    same, mixed_labels = mix_batch(images, labels, 3, kind, 1.0, 1.0, np.random.default_rng(7))
    assert np.array_equal(new, same) and mixed_labels.dtype == np.float32
    assert mixed_labels == pytest.approx(shares @ labels, abs=1e-6)
    assert ((mixed_labels > 0) & (mixed_labels < 1)).any() and np.array_equal(labels, given)
    clean = mix_batch(images, labels, 3, kind, 1.0, 0.0, np.random.default_rng(7))[1]
    assert clean is labels

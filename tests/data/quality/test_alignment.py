"""Two pictures laid over each other: what fits, and what does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.planted_copies import scene
from orchestrator.core.image_measures import oriented
from orchestrator.data.quality import window_pairs as room
from orchestrator.data.quality.alignment import is_informative, similarities
from orchestrator.data.quality.window_pairs import window_pairs

SIDE = 32


def thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def similarity(one: NDArray[np.uint8], other: NDArray[np.uint8], way: int = 0) -> float:
    return float(similarities(np.stack([one, other]), np.array([[0, 1]]), np.array([way]))[0])


@pytest.fixture(scope="module")
def thumbnails() -> NDArray[np.uint8]:
    return np.array([thumbnail(scene(seed)) for seed in range(20)])


def test_a_picture_is_similar_to_itself_in_its_own_orientation(thumbnails: NDArray[np.uint8]) -> None:
    turned = np.ascontiguousarray(oriented(thumbnails[0], 5))
    assert similarity(thumbnails[0], thumbnails[0]) > 0.85
    assert similarity(turned, thumbnails[0], way=5) > 0.85
    assert similarity(turned, thumbnails[0]) < 0.5


def test_brightness_and_contrast_change_nothing(thumbnails: NDArray[np.uint8]) -> None:
    changed = (thumbnails[1] * 0.6 + 50).astype(np.uint8)
    assert similarity(thumbnails[1], changed) > 0.9


def test_a_shift_a_tilt_and_a_stretch_are_undone() -> None:
    """What is seen through a warp fits again."""
    for seed in range(5):
        picture = scene(seed)
        height, width = picture.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 4.0, 1.05)
        turn[:, 2] += (3.0, -2.0)
        warped = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        assert similarity(thumbnail(picture), thumbnail(warped)) > 0.7  # others stay below 0.6


def test_text_over_a_part_counts_for_little(thumbnails: NDArray[np.uint8]) -> None:
    written = thumbnails[2].copy()
    written[20:26] = 255 - written[20:26]
    assert similarity(thumbnails[2], written) > 0.8


def test_other_pictures_do_not_fit(thumbnails: NDArray[np.uint8]) -> None:
    pairs = np.stack(np.triu_indices(len(thumbnails), 1), axis=1)
    assert similarities(thumbnails, pairs, np.zeros(len(pairs), np.int64)).max() < 0.6


def test_half_a_picture_is_not_the_picture(thumbnails: NDArray[np.uint8]) -> None:
    """Two scenes that share their lower half, as a desk in front of other people."""
    mixed = thumbnails[3].copy()
    mixed[:16] = thumbnails[4][:16]
    assert similarity(thumbnails[3], mixed) < 0.8


def test_ramps_and_plain_grounds_say_nothing(thumbnails: NDArray[np.uint8]) -> None:
    ramp = np.tile(np.linspace(0, 255, SIDE).astype(np.uint8), (SIDE, 1))
    assert similarity(ramp, ramp) == 0
    flat = np.full((SIDE, SIDE), 7, np.uint8)
    assert is_informative(np.stack([ramp, flat, thumbnails[0]])).tolist() == [False, False, True]


def test_no_pair_is_asked_for() -> None:
    none = np.empty((0, 2), np.int64)
    assert len(similarities(np.zeros((3, SIDE, SIDE), np.uint8), none, np.empty(0, np.int64))) == 0


# ---- windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_finds_the_window_that_it_shows(mirrored: bool, thumbnails: NDArray[np.uint8]) -> None:
    """Cut away at the top and at the left alone; the window's place is known after it was mirrored too."""
    crop = scene(5)[9:, 12:]
    all_of_them = np.concatenate([thumbnails, thumbnail(crop[:, ::-1] if mirrored else crop)[None]])
    found = window_pairs(all_of_them)
    (at,) = np.flatnonzero((found.rows == [20, 5]).all(axis=1))
    assert found.orientation[at] == int(mirrored)
    across = found.warp[at, 0, 2]
    assert found.warp[at, 1, 2] > 0 and (across < 0 if mirrored else across > 0)


def test_candidates_are_bounded_where_all_pictures_are_alike(
    thumbnails: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LEAST", -1.0)
    found = room.window_pairs(thumbnails)
    assert len(found.rows) == room.budget(len(thumbnails)) == 8 * len(thumbnails)
    assert len(np.unique(found.rows, axis=0)) == len(found.rows)
    assert [room.budget(rows) for rows in (10_000, 30_000, 100_000)] == [80_000, 100_000, 200_000]

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.images.augment import Augmenter, check_augment
from trainables.images.augment_spec import STEPS
from trainables.images.augment_steps import FILL, KINDS

Images = NDArray[np.uint8]
RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (8, 24, 40, 3), dtype=np.uint8)
BLURRED = np.stack([cv2.GaussianBlur(image.astype(np.float64), (0, 0), 1.5) for image in NOISE])
SMOOTH: Images = (60 + 130 * (BLURRED - BLURRED.min()) / np.ptp(BLURRED)).astype(np.uint8)
NEEDED = {"rotate": "20", "shift": "0.2", "zoom": "0.3"}
IN_USE = [f"{name}({NEEDED[name] + ', ' if name in NEEDED else ''}p=1)" for name in KINDS]


def augmented(spec: str, images: Images = SMOOTH, seed: int = 1) -> Images:
    return Augmenter(spec)(images, np.random.default_rng(seed))


def close(found: Images, expected: Images, most: int = 1) -> bool:
    return int(np.abs(found.astype(int) - expected.astype(int)).max()) <= most


# ---- every step -------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", IN_USE)
def test_every_step_changes_images_and_keeps_their_shape(spec: str) -> None:
    found = augmented(spec)
    assert found.shape == SMOOTH.shape and found.dtype == np.uint8
    changed = [not np.array_equal(a, b) for a, b in zip(found, SMOOTH, strict=True)]
    assert sum(changed) >= 6
    assert np.array_equal(found, augmented(spec)) and not np.array_equal(found, augmented(spec, NOISE))


@pytest.mark.parametrize("spec", IN_USE)
def test_a_step_with_probability_0_does_nothing(spec: str) -> None:
    assert np.array_equal(augmented(spec.replace("p=1", "p=0")), SMOOTH)


@pytest.mark.parametrize(
    "spec",
    [
        "rotate(0)",
        "shift(0)",
        "zoom(0)",
        "color(0, 0, 0)",
        "noise(0, p=1)",
        "random_resized_crop(1, 1)",
        "gamma(0)",
        "brightness_contrast(0, 0)",
        "sharpen(0, p=1)",
        "perspective(0)",
    ],
)
def test_a_limit_of_nothing_changes_nothing(spec: str) -> None:
    assert close(augmented(spec), SMOOTH)


def test_steps_take_their_probability() -> None:
    images = np.repeat(NOISE[:1], 400, axis=0)
    mirrored = (augmented("flip(0.3)", images) == NOISE[0][:, ::-1]).all(axis=(1, 2, 3))
    assert 85 < mirrored.sum() < 155


# ---- moves ------------------------------------------------------------------------------------------


def test_mirrors_are_exact() -> None:
    assert np.array_equal(augmented("flip(1)"), SMOOTH[:, :, ::-1])
    assert np.array_equal(augmented("vflip(1)"), SMOOTH[:, ::-1])
    assert np.array_equal(augmented("flip(1) + vflip(1)"), SMOOTH[:, ::-1, ::-1])
    assert np.array_equal(augmented("flip(1) + flip(1)", NOISE), NOISE)


def test_a_crop_is_blown_up_to_the_whole_image() -> None:
    ramp = np.tile(np.linspace(0, 255, 40).astype(np.uint8)[None, :, None], (24, 1, 3))
    for image in augmented("random_resized_crop(0.25, 1)", np.stack([ramp] * 20)):
        assert np.ptp(image[12, :, 0]) < 250 and image.shape == ramp.shape
        assert (np.diff(image[12, :, 0].astype(int)) >= 0).all()


def test_what_is_moved_in_is_mirrored_and_not_black() -> None:
    white = np.full((8, 24, 40, 3), 255, np.uint8)
    for spec in ("rotate(90)", "shift(0.5)", "zoom(0.5)", "affine(45, 0.3, 0.3, 20)", "perspective(0.3)"):
        assert (augmented(spec, white) == 255).all(), spec


# ---- colours ----------------------------------------------------------------------------------------


def test_grey_is_the_same_in_every_channel() -> None:
    grey = augmented("grayscale(1)")
    assert (grey == grey[..., :1]).all()
    assert close(grey[..., 0], np.rint(SMOOTH @ np.array([0.299, 0.587, 0.114])).astype(np.uint8))


def test_saturation_leaves_greys_alone_and_brightness_does_not() -> None:
    grey = np.full((8, 24, 40, 3), 131, np.uint8)
    assert close(augmented("color(0, 0, 0.8)", grey), grey)
    assert not close(augmented("color(0.8, 0, 0)", grey), grey, 10)


def test_gamma_keeps_black_and_white() -> None:
    ends = np.zeros((8, 24, 40, 3), np.uint8)
    ends[:, :12] = 255
    assert np.array_equal(augmented("gamma(1)", ends), ends)


# ---- pixels -----------------------------------------------------------------------------------------


def test_noise_has_no_more_spread_than_it_says() -> None:
    grey = np.full((60, 48, 48, 3), 128, np.uint8)
    spread = (augmented("noise(0.1, p=1)", grey).astype(float) - 128).std(axis=(1, 2, 3)) / 255
    assert spread.max() < 0.102 and spread.min() < 0.03 and spread.max() > 0.08


def test_blur_takes_detail_away_and_sharpening_adds_it() -> None:
    def detail(images: Images) -> float:
        return float(np.abs(np.diff(images.astype(float), axis=2)).mean())

    assert detail(augmented("blur(2, p=1)")) < 0.95 * detail(SMOOTH)
    assert detail(augmented("sharpen(1, p=1)")) > 1.1 * detail(SMOOTH)


def test_a_hole_has_sides_from_half_to_all_of_what_is_given() -> None:
    images = np.zeros((200, 40, 80, 3), np.uint8)
    for image in augmented("coarse_dropout(0.5, p=1)", images):
        rows, columns = np.flatnonzero(image[..., 0].any(axis=1)), np.flatnonzero(image[..., 0].any(axis=0))
        assert 10 <= len(rows) <= 20 and 20 <= len(columns) <= 40
        assert (image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == FILL).all()


def test_a_hole_may_be_almost_the_whole_image() -> None:
    """albumentations takes sides up to 1.0 for pixels, not for shares."""
    covered = (augmented("coarse_dropout(1, p=1)", np.zeros((200, 40, 80, 3), np.uint8))[..., 0] > 0).sum(
        axis=(1, 2)
    )
    assert covered.min() >= 20 * 40 and covered.max() > 0.8 * 40 * 80


# ---- groups -----------------------------------------------------------------------------------------


def kinds_of(images: Images, original: Images) -> list[str]:
    """Which mirror image each is."""
    views = {
        "as it was": original,
        "flip": original[:, ::-1],
        "vflip": original[::-1],
        "both": original[::-1, ::-1],
    }
    return [next(name for name, view in views.items() if np.array_equal(image, view)) for image in images]


def test_one_of_does_exactly_one_in_proportion_to_their_p() -> None:
    images = np.repeat(NOISE[:1], 400, axis=0)
    found = kinds_of(augmented("one_of(flip(0.75), vflip(0.25), p=0.8)", images), NOISE[0])
    assert 50 < found.count("as it was") < 110 and found.count("both") == 0
    assert 200 < found.count("flip") < 280 and 50 < found.count("vflip") < 110


def test_some_of_does_as_many_as_it_says_each_at_most_once() -> None:
    images = np.repeat(NOISE[:1], 60, axis=0)
    assert set(kinds_of(augmented("some_of(2, flip(1), vflip(1))", images), NOISE[0])) == {"both"}
    three = kinds_of(augmented("some_of(2, flip(1), vflip(1), rotate(0))", images), NOISE[0])
    assert set(three) == {"flip", "vflip", "both"}


def test_groups_may_hold_groups() -> None:
    images = np.repeat(NOISE[:1], 60, axis=0)
    found = kinds_of(augmented("one_of(some_of(2, flip(1), vflip(1)), flip)", images), NOISE[0])
    assert set(found) == {"both", "flip"}


def test_rand_augment_grows_with_its_magnitude() -> None:
    images = np.repeat(SMOOTH, 30, axis=0)
    change = [
        np.abs(augmented(f"rand_augment(2, {magnitude})", images).astype(int) - images).mean()
        for magnitude in (1, 5, 10)
    ]
    assert change == sorted(change) and change[0] < change[2]


# ---- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec, says",
    [
        ("flp(0.5)", "flp is not known; did you mean flip?"),
        ("flip(0.5) + spin(3)", "spin is not known; known are affine"),
        ("flip(2)", "flip(2): p=2 must be a number from 0 to 1"),
        ("noise(std=-0.1)", "std=-0.1 must be a number from 0 to 1"),
        ("noise(std=nan)", "std=nan() must be"),
        ("rotate", "rotate() needs degrees"),
        ("rotate(degres=3)", "did you mean degrees?"),
        ("rotate(3, degrees=4)", "gives degrees twice"),
        ("rotate(3, p=1, p=0.5)", "gives p twice"),
        ("rotate(3, 1, 4)", "has 3 arguments; it takes degrees, p"),
        ("rand_augment(n=1.5)", "n=1.5 must be a whole number from 1 to 14"),
        ("flip(True)", "p=True must be"),
        ("flip('a lot')", "p='a lot' must be"),
        ("one_of()", "needs 1 steps"),
        ("one_of(flip(0), vflip(0))", "needs 1 steps"),
        ("one_of(0.5)", "0.5 is no step"),
        ("some_of(3, flip, vflip)", "n=3 must be a whole number from 1 to 2"),
        ("some_of(flip, vflip)", "n=flip() must be"),
        ("one_of(flip, q=1)", "argument q is not known"),
        ("flip(0.5", "cannot be read"),
        ("flip(0.5) * 2", "flip(0.5) * 2 is no step"),
        ("[flip]", "[flip] is no step"),
        ("flip(**{})", "** is not known"),
        ("__import__('os').system('true')", "is no step"),
        ("+".join(["flip"] * 500), "longer than 2000 characters"),
        ("(" * 900 + "flip" + ")" * 900, "cannot be read"),
    ],
)
def test_a_wrong_specification_is_refused_by_the_piece(spec: str, says: str) -> None:
    with pytest.raises(TrainableError) as caught:
        check_augment(spec)
    message = str(caught.value)
    assert says in message and message.startswith("augment=") and len(message.splitlines()) == 1


def test_an_empty_specification_has_no_steps() -> None:
    assert np.array_equal(augmented("  "), SMOOTH)


def test_the_modules_table_names_every_step_and_default() -> None:
    from trainables.images import augment

    table = str(augment.__doc__)
    assert all(name in table for name in STEPS)
    for kind in KINDS.values():
        assert all(name in table for name in kind.arguments)

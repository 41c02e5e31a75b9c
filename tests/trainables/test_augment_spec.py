from __future__ import annotations

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.transforms import functional as reference

from orchestrator.errors import TrainableError
from trainables import augment_changes as changes
from trainables import augment_ops as ops
from trainables.augment import Augmenter, check_augment
from trainables.augment_ops import Op, apply_ops
from trainables.augment_spec import STEPS
from trainables.augment_steps import KINDS

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
    assert np.array_equal(augmented(spec), SMOOTH)


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


def test_moves_in_a_row_are_one_warp_in_their_order() -> None:
    turn = ops.Move(ops.affine(24, 40, degrees=25, x=3))
    flip = ops.Move(ops.mirror(True, False, 24, 40))
    once = apply_ops(SMOOTH[0], [flip, turn])
    assert close(once, apply_ops(apply_ops(SMOOTH[0], [flip]), [turn]))
    assert not close(once, apply_ops(SMOOTH[0], [turn, flip]), 20)
    back = ops.Move(ops.affine(24, 40, degrees=-25))
    there = ops.Move(ops.affine(24, 40, degrees=25))
    assert close(apply_ops(NOISE[0], [there, back]), NOISE[0])  # two interpolations would blur noise


def test_a_turn_is_opencvs_about_the_middle() -> None:
    matrix = cv2.getRotationMatrix2D((19.5, 11.5), -30, 1.2)  # its angles run the other way
    assert np.allclose(ops.affine(24, 40, degrees=30, size=1.2)[:2], matrix)


def test_a_shift_moves_by_whole_pixels_exactly() -> None:
    moved = apply_ops(NOISE[0], [ops.Move(ops.affine(24, 40, x=5, y=-2))])
    assert np.array_equal(moved[:-2, 5:], NOISE[0][2:, :-5])


def test_a_crop_is_blown_up_as_resizing_does_it() -> None:
    part = ops.Move(ops.crop(24, 40, top=6, left=10, part_height=12, part_width=20))
    expected = cv2.resize(SMOOTH[0][6:18, 10:30], (40, 24), interpolation=cv2.INTER_LINEAR)
    inner = (slice(2, -2), slice(2, -2))  # at the border resizing sees no neighbours
    assert close(apply_ops(SMOOTH[0], [part])[inner], np.asarray(expected, np.uint8)[inner], 2)


def test_a_perspective_blows_a_quadrilateral_up_to_the_corners() -> None:
    inwards = np.array([[0.1, 0.2], [0.05, 0.0], [0.3, 0.1], [0.0, 0.25]])
    matrix = ops.perspective(24, 40, inwards)
    corner = matrix @ np.array([0.1 * 39, 0.2 * 23, 1.0])
    assert np.allclose(corner[:2] / corner[2], 0, atol=1e-4)
    corner = matrix @ np.array([39 - 0.3 * 39, 23 - 0.1 * 23, 1.0])
    assert np.allclose(corner[:2] / corner[2], [39, 23], atol=1e-3)


# ---- colours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.7, 1.3])
@pytest.mark.parametrize(
    "ours, theirs",
    [
        (ops.scaled, reference.adjust_brightness),
        (ops.contrast, reference.adjust_contrast),
        (ops.saturation, reference.adjust_saturation),
    ],
)
def test_colours_are_torchvisions(ours: object, theirs: object, factor: float) -> None:
    assert callable(ours) and callable(theirs)
    tensor = torch.from_numpy(SMOOTH[0]).permute(2, 0, 1)
    expected = theirs(tensor, factor).permute(1, 2, 0).numpy()
    assert close(apply_ops(SMOOTH[0], [ours(factor)]), expected, 2)  # torchvision rounds down


def test_colours_in_a_row_are_one_matrix_in_their_order() -> None:
    steps: list[Op] = [ops.scaled(1.2), ops.contrast(0.6), ops.saturation(1.4), ops.hue(0.1)]
    one_by_one = SMOOTH[0]
    for step in steps:
        one_by_one = apply_ops(one_by_one, [step])
    assert close(apply_ops(SMOOTH[0], steps), one_by_one, 3)


def test_a_turn_of_hue_keeps_greys_and_luma_and_comes_round() -> None:
    grey = np.full((4, 4, 3), 131, np.uint8)
    assert np.array_equal(apply_ops(grey, [ops.hue(0.4)]), grey)
    assert close(apply_ops(SMOOTH[0], [ops.hue(1.0)]), SMOOTH[0])
    turned = apply_ops(SMOOTH[0], [ops.hue(0.3)])
    assert not close(turned, SMOOTH[0], 10)
    assert np.abs(turned @ ops.GREY - SMOOTH[0] @ ops.GREY).max() < 1.5


def test_grey_is_luma_in_every_channel() -> None:
    expected = np.rint(SMOOTH @ np.array([0.299, 0.587, 0.114]))
    assert close(augmented("grayscale(1)"), np.stack([expected] * 3, axis=-1).astype(np.uint8))


# ---- pixels -----------------------------------------------------------------------------------------


def test_lookups_follow_their_formulas() -> None:
    levels = np.arange(256, dtype=np.uint8)
    ramp = np.repeat(levels, 3).reshape(16, 16, 3)
    by_level = {
        "gamma": (changes.gamma(1.5), np.rint(255 * (levels / 255.0) ** 1.5)),
        "solarize": (changes.solarize(100), np.where(levels < 100, levels, 255 - levels)),
        "posterize": (changes.posterize(3), levels // 32 * 32),
    }
    for step, expected in by_level.values():
        assert np.array_equal(apply_ops(ramp, [step]).reshape(256, 3)[:, 1], expected)


def test_the_pixel_steps_agree_with_albumentations() -> None:
    image = np.ascontiguousarray(SMOOTH[0])
    clahe = A.CLAHE(clip_limit=(4, 4), p=1)(image=image)["image"]
    assert close(apply_ops(image, [changes.clahe(4.0)]), clahe, 2)
    stretched = A.AutoContrast(method="pil", p=1)(image=image)["image"]
    assert close(apply_ops(image, [changes.autocontrast()]), stretched, 2)
    flattened = A.Equalize(mode="cv", p=1)(image=image)["image"]
    assert np.array_equal(apply_ops(image, [changes.equalize()]), flattened)


def test_noise_has_the_spread_it_says() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    drawn = apply_ops(grey, [changes.noise(np.random.default_rng(0), (200, 200), 0.05)])
    assert 12.5 < (drawn.astype(float) - 128).std() < 13.0  # 0.05 * 255


def test_blur_takes_detail_away_and_sharpening_adds_it() -> None:
    def detail(image: Images) -> float:
        return float(np.abs(np.diff(image.astype(float), axis=1)).mean())

    image = SMOOTH[0]
    assert detail(apply_ops(image, [changes.blur(2)])) < 0.9 * detail(image)
    assert detail(apply_ops(image, [changes.sharpen(3)])) > 1.1 * detail(image)


def test_a_hole_has_sides_from_half_to_all_of_what_is_given() -> None:
    images = np.zeros((200, 40, 80, 3), np.uint8)
    for image in augmented("coarse_dropout(0.5, p=1)", images):
        rows, columns = np.flatnonzero(image[..., 0].any(axis=1)), np.flatnonzero(image[..., 0].any(axis=0))
        assert 10 <= len(rows) <= 20 and 20 <= len(columns) <= 40
        assert (image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == changes.FILL).all()


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
    assert set(kinds_of(augmented("some_of(2, flip, vflip)", images), NOISE[0])) == {"both"}
    three = kinds_of(augmented("some_of(2, flip, vflip, rotate(0))", images), NOISE[0])
    assert set(three) == {"flip", "vflip", "both"}


def test_groups_may_hold_groups() -> None:
    images = np.repeat(NOISE[:1], 60, axis=0)
    found = kinds_of(augmented("one_of(some_of(2, flip, vflip), flip)", images), NOISE[0])
    assert set(found) == {"both", "flip"}


def test_rand_augment_grows_with_its_magnitude() -> None:
    images = np.repeat(SMOOTH, 30, axis=0)
    change = [
        np.abs(augmented(f"rand_augment(2, {magnitude})", images).astype(int) - images).mean()
        for magnitude in (1, 5, 10)
    ]
    assert change == sorted(change) and change[0] < change[2] / 1.5


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
    from trainables import augment

    table = str(augment.__doc__)
    assert all(name in table for name in STEPS)
    for kind in KINDS.values():
        assert all(name in table for name in kind.arguments)

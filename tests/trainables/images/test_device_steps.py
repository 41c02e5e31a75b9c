"""Every step on tensors makes of its drawn numbers what albumentations and OpenCV make of them."""

from __future__ import annotations

import re
from pathlib import Path

import albumentations.augmentations.blur.functional as blurs
import albumentations.augmentations.geometric.functional as geometric
import albumentations.augmentations.pixel.functional as pixel
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.support.albumentations_steps import REFERENCES, by_albumentations
from trainables.images.augment import STRENGTHS
from trainables.images.augment_spec import STEPS
from trainables.images.augment_steps import KINDS
from trainables.images.device_augment import DeviceAugmenter
from trainables.images.device_steps.colours import gamma_levels
from trainables.images.device_steps.filters import blur_taps
from trainables.images.device_steps.moves import affine_matrix, perspective_matrix
from trainables.images.device_steps.ops import Op, merged, run
from trainables.images.device_steps.table import DRAWS
from trainables.images.device_steps.tolerances import TOLERANCES, Tolerance

Images = NDArray[np.uint8]
PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "device_input.md"
SHAPES = ((24, 40), (33, 17), (64, 64))
STRONGEST = {
    "rotate": "180",
    "shift": "0.5",
    "zoom": "0.9",
    "affine": "180, 0.5, 0.9, 45",
    "perspective": "0.45",
    "random_resized_crop": "0.01, 4",
    "color": "1, 1, 1, 0.5",
    "brightness_contrast": "1, 1",
    "gamma": "4",
    "clahe": "100",
    "noise": "1",
    "blur": "4",
    "sharpen": "1",
    "coarse_dropout": "0.6, 5",
    "rand_augment": "14, 10",
}


def spec_of(step: str) -> str:
    """The step at its strongest, on every image."""
    return f"{step}({STRONGEST[step] + ', ' if step in STRONGEST else ''}p=1)"


def noise(shape: tuple[int, int], count: int = 16) -> Images:
    return np.random.default_rng(7).integers(0, 256, (count, *shape, 3), dtype=np.uint8)


def smooth(shape: tuple[int, int], count: int = 16) -> Images:
    blurred = np.stack([cv2.GaussianBlur(image.astype(float), (0, 0), 2) for image in noise(shape, count)])
    return np.clip(127 + 8 * (blurred - 127), 0, 255).astype(np.uint8)


def both(spec: str, images: Images) -> tuple[Images, Images, list[Op]]:
    """What the device's path and what albumentations makes of the same drawn numbers."""
    shape = (images.shape[1], images.shape[2])
    ops = DeviceAugmenter(spec).planned(len(images), shape, np.random.default_rng(1))
    found = run(ops, torch.from_numpy(images).permute(0, 3, 1, 2).float())
    assert torch.equal(found, found.round().clamp(0, 255))
    return found.to(torch.uint8).permute(0, 2, 3, 1).numpy(), by_albumentations(ops, images), ops


def assert_within(tolerance: Tolerance, found: Images, expected: Images) -> None:
    away = np.abs(found.astype(int) - expected)
    assert away.mean() <= tolerance.mean
    assert (away > 2).mean() <= tolerance.far


def test_every_step_of_the_language_has_a_device_step_and_a_tolerance() -> None:
    assert DRAWS.keys() == KINDS.keys() == TOLERANCES.keys()
    assert set(STEPS) - set(DRAWS) == {"one_of", "some_of"}


def test_the_page_states_the_tolerance_of_every_step() -> None:
    rows = [line.split("|")[1:4] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    stated = {
        step: Tolerance(float(mean), float(far.strip().removesuffix("%")) / 100)
        for steps, mean, far in rows
        if far.strip().endswith("%")
        for step in re.findall("`(.*?)`", steps)
    }
    assert stated == TOLERANCES


@pytest.mark.parametrize("step", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_equals_albumentations(step: str, shape: tuple[int, int]) -> None:
    for images in (noise(shape), smooth(shape)):
        found, expected, ops = both(spec_of(step), images)
        assert ops and all(set(op.rows) <= set(range(16)) for op in ops)
        assert_within(TOLERANCES[step], found, expected)


def test_the_steps_at_their_strongest_use_every_kernel_but_the_noise() -> None:
    used = {op.kernel for step in KINDS for op in both(spec_of(step), noise((24, 40)))[2]}
    assert set(REFERENCES) <= used


@pytest.mark.parametrize("spec", [*STRENGTHS.values(), "some_of(3, rotate(9), clahe, blur, gamma(1), flip)"])
def test_steps_after_each_other_equal_albumentations(spec: str) -> None:
    found, expected, _ = both(spec, smooth((64, 48), 32))
    allowed = max((TOLERANCES[step] for step in ("color", "affine")), key=lambda one: one.mean)
    assert_within(allowed, found, expected)


def test_a_grey_and_a_black_image_go_through_every_step() -> None:
    images = np.stack([np.full((24, 40, 3), level, np.uint8) for level in (0, 1, 128, 254, 255)])
    for step in KINDS:
        found, expected, _ = both(spec_of(step), images)
        assert_within(TOLERANCES[step], found, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_move_has_the_matrix_of_albumentations(shape: tuple[int, int]) -> None:
    turn, scale, x, y, shear_x, shear_y = np.random.default_rng(2).uniform(-40, 40, (6, 5))
    scale = 1 + scale / 50
    for row, matrix in enumerate(affine_matrix(shape, turn, scale, x, y, shear_x, shear_y)):
        expected = geometric.create_affine_transformation_matrix(
            {"x": x[row], "y": y[row]},
            {"x": shear_x[row], "y": shear_y[row]},
            {"x": scale[row], "y": scale[row]},
            turn[row],
            geometric.center(shape),
        )
        assert np.allclose(matrix, expected, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_perspective_has_the_matrix_of_albumentations(shape: tuple[int, int]) -> None:
    shares = np.random.default_rng(2).uniform(0, 0.32, (5, 4, 2))
    for share, matrix in zip(shares, perspective_matrix(shape, shares), strict=True):
        inside = np.where(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) == 1, 1 - share, share)
        points = geometric.order_points(inside * np.array(shape[::-1]))
        plain, wide, high = geometric.compute_perspective_params(points, shape)
        expected = np.diag([shape[1] / wide, shape[0] / high, 1]) @ plain
        assert np.allclose(matrix, expected, rtol=1e-4, atol=1e-4)


def test_levels_of_gamma_are_those_of_albumentations() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None, :, None]
    exponents = np.array([0.2, 0.83, 1.0, 1.2, 5.0])
    for exponent, levels in zip(exponents, gamma_levels(exponents), strict=True):
        assert np.array_equal(pixel.gamma_transform(ramp, float(exponent)).ravel(), levels)


def test_taps_of_a_blur_are_those_of_albumentations() -> None:
    sigmas = np.array([0.1, 0.6, 1.0, 3.3, 20.0])
    taps = blur_taps(sigmas)
    for sigma, row in zip(sigmas, taps, strict=True):
        expected = blurs.create_gaussian_kernel_1d(float(sigma))
        margin = (len(row) - len(expected)) // 2
        assert np.allclose(row, np.pad(expected, margin), atol=1e-7)


def test_a_blur_wider_than_the_image_is_mirrored_again_and_again() -> None:
    found, expected, ops = both("blur(50, p=1)", noise((9, 12), 4))
    assert ops[0].values["taps"].shape[1] > 2 * 12
    assert_within(TOLERANCES["blur"], found, expected)


def test_an_image_of_one_row_or_column_is_moved_and_blurred() -> None:
    for shape in ((1, 12), (12, 1)):
        for spec in ("rotate(40)", "blur(2, p=1)", "sharpen(p=1)"):
            found, expected, _ = both(spec, noise(shape, 4))
            assert_within(TOLERANCES["rotate"], found, expected)


# ---- ops --------------------------------------------------------------------------------------------


def _double(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return images * factor[:, None, None, None]


def _add_one(images: torch.Tensor) -> torch.Tensor:
    return images + 1


def _op(*rows: int, factor: float) -> Op:
    return Op(_double, np.array(rows), {"factor": np.full(len(rows), factor, np.float32)})


def test_ops_over_rows_apart_run_as_one() -> None:
    ops = merged([_op(2, 3, factor=2), _op(0, factor=3), _op(3, factor=5)])
    assert [list(op.rows) for op in ops] == [[0, 2, 3], [3]]
    assert list(ops[0].values["factor"]) == [3, 2, 2]


def test_ops_over_the_same_rows_keep_their_order() -> None:
    steps = [_op(0, 1, factor=2), Op(_add_one, np.array([1])), _op(1, factor=3), _op(0, factor=7)]
    images = torch.ones(2, 3, 1, 1)
    expected = run(steps, images.clone())
    assert torch.equal(run(merged(steps), images.clone()), expected)
    assert expected[:, 0, 0, 0].tolist() == [14, 9]

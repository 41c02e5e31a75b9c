"""The numbers drawn for a device have the distributions of those that albumentations draws."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from tests.support.albumentations_steps import in_pixels
from trainables.images.augment import Augmenter
from trainables.images.augment_spec import Single, parse_augment
from trainables.images.augment_steps import KINDS
from trainables.images.device_augment import DeviceAugmenter
from trainables.images.device_steps import clahe, colours, hue
from trainables.images.device_steps.ops import Op
from trainables.images.device_steps.policy import policy_steps
from trainables.images.device_steps.table import DRAWS

Numbers = NDArray[np.float64]
SHAPE = (40, 64)
COUNT = 800
ONE_IN = 1e-4  # of all pairs of equal distributions this share lies further apart than is allowed here
IMAGE = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (*SHAPE, 3), dtype=np.uint8), (0, 0), 1.5)
GIVEN = {
    "rotate": "20",
    "shift": "0.2",
    "zoom": "0.3",
    "affine": "30, 0.2, 0.3, 20",
    "perspective": "0.3",
    "color": "0.3, 0.4, 0.5, 0.2",
    "clahe": "60",
    "blur": "3",
    "coarse_dropout": "0.5, 2",
}
OF_SEVERAL = ("affine", "shift", "perspective", "random_resized_crop", "coarse_dropout")  # numbers together
SINGLE = [step for step in KINDS if step not in ("flip", "vflip", "grayscale", "rand_augment")]


def furthest_allowed(first: int, second: int) -> float:
    """Of two samples of one distribution the Kolmogorov-Smirnov distance is larger once in 1 / ONE_IN.

    Smirnov 1948: sqrt(-ln(alpha / 2) / 2 * (n + m) / (n m)); for whole numbers it is larger more rarely.
    """
    return math.sqrt(-math.log(ONE_IN / 2) / 2 * (first + second) / (first * second))


def assert_one_distribution(found: Numbers, expected: Numbers) -> None:
    """Each column of both, (n, k) and (m, k)."""
    assert found.shape[1] == expected.shape[1] > 0
    for column in range(found.shape[1]):
        distance = stats.ks_2samp(
            found[:, column].round(5), expected[:, column].round(5), method="asymp"
        ).statistic
        assert distance < furthest_allowed(len(found), len(expected)), column


def assert_same_limits(found: Numbers, expected: Numbers) -> None:
    """Of numbers drawn evenly: 800 of them miss 4% of their range once in 10^14."""
    spread = np.ptp(expected, axis=0) + 0.01
    for end in (np.min, np.max):
        assert (np.abs(end(found, axis=0) - end(expected, axis=0)) < 0.04 * spread).all()


def step_of(name: str) -> Single:
    step = parse_augment(f"{name}({GIVEN[name] + ', ' if name in GIVEN else ''}p=1)")[0]
    assert isinstance(step, Single)
    return step


# ---- drawn by albumentations ------------------------------------------------------------------------


def drawn_on_cpu(transform: Any, count: int = COUNT) -> Numbers:
    transform.set_random_state(np.random.default_rng(11), random.Random(11))
    rows = []
    for _ in range(count):
        transform(image=IMAGE)
        rows.append(_of_params(transform.get_applied_params()))
    return np.array(rows, np.float64)


def _of_params(params: dict[str, Any]) -> Any:
    """The numbers of one image, in the order of `_of_op`."""
    height, width = SHAPE
    if "max_width" in params:
        scale = np.diag([width / params["max_width"], height / params["max_height"], 1])
        return _corners(np.linalg.inv(scale @ params["matrix"]))
    for name, numbers in _OF_PARAMS.items():
        if name in params:
            return np.ravel(numbers(params))
    raise AssertionError(params.keys())


_OF_PARAMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "matrix": lambda params: _corners(np.linalg.inv(params["matrix"])),
    "crop_coords": lambda params: params["crop_coords"],
    "hue": lambda params: [params[name] for name in ("brightness", "contrast", "saturation", "hue")],
    "beta": lambda params: [params["alpha"], params["beta"]],
    "gamma": lambda params: np.array([0.1, 0.5, 0.9]) ** params["gamma"] * 255,
    "clip_limit": lambda params: max(1, int(params["clip_limit"] * np.prod(clahe.tile_shape(SHAPE)) / 256)),
    "noise_map": lambda params: params["noise_map"].std(),
    "kernel": lambda params: [len(params["kernel"]), np.max(params["kernel"])],
    "alpha": lambda params: params["alpha"],
    "holes": lambda params: np.array(params["holes"])[0],
    "num_bits": lambda params: params["num_bits"],
    "threshold": lambda params: math.ceil(params["threshold"] * 255),
}


def _corners(inverse: Numbers) -> Numbers:
    """Where the corners of the result come from, (8,): for a matrix these say all."""
    height, width = SHAPE
    points = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ inverse.T
    return np.ravel(points[:, :2] / points[:, 2:])


# ---- drawn for a device -----------------------------------------------------------------------------


def drawn_for_device(draw: Callable[..., list[Op]], count: int = COUNT, **arguments: Any) -> Numbers:
    ops = draw(SHAPE, np.arange(count), np.random.default_rng(12), **arguments)
    if len(ops) > 1 or ops[0].kernel in (colours.contrast, colours.saturation, hue.turned):
        return _factors(ops, count)
    columns = _OF_VALUES[next(iter(ops[0].values))](ops[0].values)
    return np.array(columns, np.float64).reshape(count, -1)


_OF_VALUES: dict[str, Callable[[Any], Any]] = {
    "inverse": lambda values: [_corners(in_pixels(inverse, SHAPE)) for inverse in values["inverse"]],
    "box": lambda values: np.concatenate(
        [values["box"][:, :2], values["box"][:, :2] + values["box"][:, 2:]], axis=1
    ),
    "factor": lambda values: np.stack([values["factor"], values["offset"]], axis=-1),
    "levels": lambda values: values["levels"][:, [25, 128, 230]],
    "most": lambda values: values["most"],
    "spread": lambda values: values["spread"],
    "taps": lambda values: np.stack([(values["taps"] > 0).sum(axis=1), values["taps"].max(axis=1)], axis=-1),
    "share": lambda values: values["share"],
    "edges": lambda values: values["edges"][:, 0][:, [2, 0, 3, 1]],
    "step": lambda values: 8 - np.log2(values["step"]),
    "threshold": lambda values: values["threshold"],
}
_CHANGES = (colours.linear, colours.contrast, colours.saturation, hue.turned)


def _factors(ops: list[Op], count: int) -> Numbers:
    """Brightness, contrast, saturation and hue of each image, in columns."""
    found = np.tile(np.array([1.0, 1.0, 1.0, 0.0]), (count, 1))
    for op in ops:
        values = op.values["degrees"] / 180 if op.kernel is hue.turned else op.values["factor"]
        found[op.rows, _CHANGES.index(op.kernel)] = values
    return found


def _exactly(step: str, transform: Any) -> Numbers:
    """What of albumentations' draws is compared: gamma by what its table makes of the levels."""
    expected = drawn_on_cpu(transform)
    if step != "gamma":
        return expected
    exponents = np.log(expected[:, 1] / 255) / np.log(0.5)
    return colours.gamma_levels(exponents)[:, [25, 128, 230]].astype(np.float64)


# ---- parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SINGLE)
def test_numbers_of_a_step_are_distributed_as_albumentations_draws_them(name: str) -> None:
    step = step_of(name)
    expected = _exactly(name, step.transform(SHAPE))
    found = drawn_for_device(DRAWS[name], **step.arguments)
    assert_one_distribution(found, expected)
    if name not in OF_SEVERAL:
        assert_same_limits(found, expected)


@pytest.mark.parametrize("row", range(3, 14))
def test_numbers_of_the_policy_are_distributed_as_albumentations_draws_them(row: int) -> None:
    transform = step_of("rand_augment").transform(SHAPE).transforms[row]
    found = drawn_for_device(policy_steps(5.0)[row])
    expected = drawn_on_cpu(transform)
    if row == 5:  # brightness alone is one kernel with an offset
        found = np.column_stack([found[:, 0], np.ones((COUNT, 2)), np.zeros(COUNT)])
    assert_one_distribution(found, expected)
    assert_same_limits(found, expected)


def test_sides_of_a_crop_are_rounded_and_not_cut_off() -> None:
    """Parts of 99% of the area and more are then the whole image."""
    images = np.repeat(IMAGE[None], 20, axis=0)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    assert np.array_equal(Augmenter("random_resized_crop(0.99, 1)")(images, np.random.default_rng(0)), images)
    found = DeviceAugmenter("random_resized_crop(0.99, 1)")(tensor, np.random.default_rng(0))
    assert torch.equal(found, tensor)


def test_a_wider_limit_is_seen() -> None:
    """Else the comparison above could not fail."""
    expected = drawn_on_cpu(step_of("shift").transform(SHAPE))
    with pytest.raises(AssertionError):
        assert_one_distribution(drawn_for_device(DRAWS["shift"], shift=0.3), expected)


def test_changes_of_colour_come_in_every_order_equally_often() -> None:
    arguments = step_of("color").arguments
    ops = DRAWS["color"](SHAPE, np.arange(4800), np.random.default_rng(5), **arguments)
    orders: list[list[int]] = [[] for _ in range(4800)]
    for op in ops:
        for row in op.rows:
            orders[row].append(_CHANGES.index(op.kernel))
    counts = Counter(map(tuple, orders))
    low, high = stats.binom.interval(1 - ONE_IN, 4800, 1 / 24)
    assert len(counts) == 24 and all(low <= count <= high for count in counts.values())


# ---- who goes through -------------------------------------------------------------------------------


def shares_on_both(spec: str, count: int = 3000) -> tuple[Counter[str], Counter[str]]:
    """How often each mirror image of a picture comes out: on a device, on the CPU."""
    picture = IMAGE[:6, :8]
    views = {
        picture.tobytes(): "as it was",
        picture[:, ::-1].tobytes(): "flip",
        picture[::-1].tobytes(): "vflip",
        picture[::-1, ::-1].tobytes(): "both",
    }
    images = np.repeat(picture[None], count, axis=0)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    on_device = DeviceAugmenter(spec)(tensor, np.random.default_rng(1)).permute(0, 2, 3, 1).numpy()
    on_cpu = Augmenter(spec)(images, np.random.default_rng(2))
    return (
        Counter(views.get(image.tobytes(), "other") for image in on_device),
        Counter(views.get(image.tobytes(), "other") for image in on_cpu),
    )


@pytest.mark.parametrize(
    "spec, shares",
    [
        ("flip(0.3)", {"flip": 0.3, "as it was": 0.7}),
        ("flip(0.3) + vflip(0.6)", {"flip": 0.12, "vflip": 0.42, "both": 0.18, "as it was": 0.28}),
        ("one_of(flip(0.6), vflip(0.2), p=0.5)", {"flip": 0.375, "vflip": 0.125, "as it was": 0.5}),
        ("some_of(1, flip(1), vflip(0.5))", {"flip": 0.5, "vflip": 0.25, "as it was": 0.25}),
        ("some_of(2, flip(0.5), vflip(1), p=0.6)", {"vflip": 0.3, "both": 0.3, "as it was": 0.4}),
        # a step of one_of is done whatever its p is; some_of and rand_augment then draw theirs once more
        ("one_of(some_of(1, flip(1), p=0.5), vflip(0.5))", {"flip": 0.25, "vflip": 0.5, "as it was": 0.25}),
        ("one_of(one_of(flip(1), p=0.5), vflip(0.5))", {"flip": 0.5, "vflip": 0.5}),
        ("some_of(1, one_of(flip(1), p=0.5), vflip(0.4))", {"flip": 0.25, "vflip": 0.2, "as it was": 0.55}),
    ],
)
def test_as_many_images_go_through_a_step_as_on_the_cpu(spec: str, shares: dict[str, float]) -> None:
    for counts in shares_on_both(spec):
        assert counts.keys() == shares.keys()
        for view, share in shares.items():
            low, high = stats.binom.interval(1 - ONE_IN, 3000, share)
            assert low <= counts[view] <= high, view


def test_a_policy_within_one_of_draws_its_own_p_once_more() -> None:
    for counts in shares_on_both("one_of(rand_augment(2, 9, p=0.5), vflip(0.5))"):
        low, high = stats.binom.interval(1 - ONE_IN, 3000, 0.5)
        assert low <= counts["vflip"] <= high
        low, high = stats.binom.interval(1 - ONE_IN, 3000, 0.25)
        assert 0.8 * low <= counts["other"] <= high  # some steps leave this picture as it was


def test_each_step_of_the_policy_is_done_equally_often() -> None:
    count, n = 3000, 3
    ops = DRAWS["rand_augment"](SHAPE, np.arange(count), np.random.default_rng(1), n=n, magnitude=5.0)
    done = Counter[Any]()
    for op in ops:
        done[op.kernel] += len(op.rows)
    low, high = stats.binom.interval(1 - ONE_IN, count * n, 1 / 14)
    moves = [number for kernel, number in done.items() if kernel.__name__ == "warp"]
    assert len(done) == 9 and 5 * low < moves[0] < 5 * high
    assert all(low <= number <= high for kernel, number in done.items() if kernel.__name__ != "warp")


# ---- pixels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_pixels_of_both_paths_are_distributed_alike(name: str) -> None:
    """Mean, spread and change of 300 images that were one, a number an image."""
    spec = f"{name}({GIVEN[name] + ', ' if name in GIVEN else ''}p=0.8)"
    images = np.repeat(IMAGE[None, 4:28, 8:40], 300, axis=0)
    on_cpu = Augmenter(spec)(images, np.random.default_rng(21))
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    on_device = DeviceAugmenter(spec)(tensor, np.random.default_rng(22)).permute(0, 2, 3, 1).numpy()
    assert_one_distribution(_seen(on_device, images), _seen(on_cpu, images))


def _seen(changed: NDArray[np.uint8], images: NDArray[np.uint8]) -> Numbers:
    pixels = changed.astype(np.float64)
    away = np.abs(pixels - images).mean(axis=(1, 2, 3))
    corner = pixels[:, :4, :4].mean(axis=(1, 2, 3))
    return np.column_stack([pixels.mean(axis=(1, 2, 3)), pixels.std(axis=(1, 2, 3)), away, corner]).round(0)

"""Which steps a specification may name, what they take, and the albumentations transform each is.

The table for a reader is in augment.py. A limit such as rotate's degrees is drawn evenly up to it, both ways.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the network for news

import albumentations as A
import cv2

from trainables.images.step_language import REQUIRED, Argument

Shape = tuple[int, int]
Make = Callable[..., Any]
"""((height, width), p, **arguments) -> a transform that does it with probability p."""

FILL = (124, 116, 104)  # the mean of ImageNet's pixels
_BELOW_ONE = math.nextafter(1.0, 0.0)  # from 1 on albumentations takes the sides of a hole for pixels
BORDER = cv2.BORDER_REFLECT_101  # a black border would tell the network that an image was moved


@dataclass(frozen=True)
class Kind:
    """One row of the table. p: its default probability."""

    make: Make
    arguments: Mapping[str, Argument]
    p: float = 1.0


# ---- where pixels go --------------------------------------------------------------------------------


def _flip(shape: Shape, p: float) -> Any:
    return A.HorizontalFlip(p=p)


def _vflip(shape: Shape, p: float) -> Any:
    return A.VerticalFlip(p=p)


def _affine(
    shape: Shape, p: float, degrees: float = 0.0, shift: float = 0.0, zoom: float = 0.0, shear: float = 0.0
) -> Any:
    return A.Affine(
        scale=(1 - zoom, 1 + zoom),
        translate_percent=(-shift, shift),
        rotate=(-degrees, degrees),
        shear=(-shear, shear),
        keep_ratio=True,
        border_mode=BORDER,
        p=p,
    )


def _perspective(shape: Shape, p: float, scale: float) -> Any:
    return A.Perspective(scale=(0.0, scale), border_mode=BORDER, p=p)


def _random_resized_crop(shape: Shape, p: float, min_scale: float, stretch: float) -> Any:
    own = shape[1] / shape[0]
    return A.RandomResizedCrop(size=shape, scale=(min_scale, 1.0), ratio=(own / stretch, own * stretch), p=p)


# ---- colours ----------------------------------------------------------------------------------------


def _color(shape: Shape, p: float, brightness: float, contrast: float, saturation: float, hue: float) -> Any:
    around_one = ((1 - limit, 1 + limit) for limit in (brightness, contrast, saturation))
    return A.ColorJitter(*around_one, hue=(-hue, hue), p=p)


def _brightness_contrast(shape: Shape, p: float, brightness: float, contrast: float) -> Any:
    return A.RandomBrightnessContrast(brightness, contrast, p=p)


def _gamma(shape: Shape, p: float, limit: float) -> Any:
    return A.RandomGamma(gamma_limit=(100 / (1 + limit), 100 * (1 + limit)), p=p)


def _grayscale(shape: Shape, p: float) -> Any:
    return A.ToGray(p=p)


def _clahe(shape: Shape, p: float, clip: float) -> Any:
    return A.CLAHE(clip_limit=(1.0, clip), p=p)


# ---- pixels -----------------------------------------------------------------------------------------


def _noise(shape: Shape, p: float, std: float) -> Any:
    return A.GaussNoise(std_range=(0.0, std), p=p)


def _blur(shape: Shape, p: float, sigma: float) -> Any:
    return A.GaussianBlur(blur_limit=0, sigma_limit=(0.1, sigma), p=p)


def _sharpen(shape: Shape, p: float, amount: float) -> Any:
    return A.Sharpen(alpha=(0.0, amount), lightness=(1.0, 1.0), p=p)


def _coarse_dropout(shape: Shape, p: float, side: float, holes: int) -> Any:
    sides = (side / 2, min(side, _BELOW_ONE))
    return A.CoarseDropout((holes, holes), sides, sides, fill=FILL, p=p)


# ---- a policy ---------------------------------------------------------------------------------------


def _rand_augment(shape: Shape, p: float, n: int, magnitude: float) -> Any:
    """n of 14 steps, with replacement, each as strong as `magnitude` at most.

    Cubuk et al., RandAugment, 2019, with their table of steps; magnitude 10 of 10 is their 30 of 30.
    Strengths are drawn up to the magnitude, where theirs are fixed.
    """
    strength = magnitude / 10
    enhanced, still = (1 - 0.9 * strength, 1 + 0.9 * strength), (1.0, 1.0)
    steps = [
        A.NoOp(p=1),
        A.AutoContrast(p=1),
        A.Equalize(p=1),
        A.Posterize(num_bits=(8 - round(4 * strength), 8), p=1),
        A.Solarize(threshold_range=(1 - strength, 1.0), p=1),
        A.ColorJitter(enhanced, still, still, (0, 0), p=1),
        A.ColorJitter(still, enhanced, still, (0, 0), p=1),
        A.ColorJitter(still, still, enhanced, (0, 0), p=1),
        A.Sharpen(alpha=(0.0, 0.9 * strength), lightness=still, p=1),
        *(
            A.Affine(**{"scale": still, "rotate": 0, "shear": 0, **move}, border_mode=BORDER, p=1)
            for move in (
                {"rotate": (-30 * strength, 30 * strength)},
                {"shear": {"x": (-17 * strength, 17 * strength), "y": (0, 0)}},
                {"shear": {"x": (0, 0), "y": (-17 * strength, 17 * strength)}},
                {"translate_percent": {"x": (-0.45 * strength, 0.45 * strength), "y": (0, 0)}},
                {"translate_percent": {"x": (0, 0), "y": (-0.45 * strength, 0.45 * strength)}},
            )
        ),
    ]
    return A.SomeOf(steps, n=n, replace=True, p=p)


# ---- the table --------------------------------------------------------------------------------------


def _up_to(high: float, default: Any = REQUIRED, low: float = 0.0) -> Argument:
    return Argument(default, low, high)


_COLOR = {name: _up_to(1.0, default) for name, default in (("brightness", 0.2), ("contrast", 0.2))}
KINDS: Mapping[str, Kind] = {
    "flip": Kind(_flip, {}, 0.5),
    "vflip": Kind(_vflip, {}, 0.5),
    "rotate": Kind(_affine, {"degrees": _up_to(180)}),
    "shift": Kind(_affine, {"shift": _up_to(0.5)}),
    "zoom": Kind(_affine, {"zoom": _up_to(0.9)}),
    "affine": Kind(
        _affine,
        {
            "degrees": _up_to(180, 10.0),
            "shift": _up_to(0.5, 0.05),
            "zoom": _up_to(0.9, 0.1),
            "shear": _up_to(45, 0.0),
        },
    ),
    "perspective": Kind(_perspective, {"scale": _up_to(0.45, 0.1)}),
    "random_resized_crop": Kind(
        _random_resized_crop, {"min_scale": _up_to(1.0, 0.5, 0.01), "stretch": _up_to(4.0, 4 / 3, 1.0)}
    ),
    "color": Kind(_color, {**_COLOR, "saturation": _up_to(1.0, 0.2), "hue": _up_to(0.5, 0.0)}),
    "brightness_contrast": Kind(_brightness_contrast, _COLOR),
    "gamma": Kind(_gamma, {"limit": _up_to(4.0, 0.2)}),
    "grayscale": Kind(_grayscale, {}, 0.5),
    "clahe": Kind(_clahe, {"clip": _up_to(100.0, 4.0, 1.0)}, 0.5),
    "noise": Kind(_noise, {"std": _up_to(1.0, 0.1)}, 0.5),
    "blur": Kind(_blur, {"sigma": _up_to(50.0, 1.0, 0.1)}, 0.5),
    "sharpen": Kind(_sharpen, {"amount": _up_to(1.0, 0.5)}, 0.5),
    "coarse_dropout": Kind(
        _coarse_dropout, {"side": _up_to(1.0, 0.3, 0.01), "holes": Argument(1, 1, 64, whole=True)}, 0.5
    ),
    "rand_augment": Kind(
        _rand_augment, {"n": Argument(2, 1, 14, whole=True), "magnitude": _up_to(10.0, 5.0)}
    ),
}

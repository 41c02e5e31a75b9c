"""How far each step's pixels may lie from albumentations', given the same drawn numbers.

Measured on noise, which has the most detail that an image can have, and on smooth images, with every step at
its strongest. What differs is rounding: OpenCV resizes, and converts from L*a*b*, in whole numbers; from HSV
it cuts the fraction off in most columns of an image and rounds in the last few.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """mean: mean absolute difference in levels of 255; far: share of values that differ by more than 2."""

    mean: float
    far: float = 0.0


_SAME = Tolerance(0.0)
_ROUNDING = Tolerance(0.002)
TOLERANCES: Mapping[str, Tolerance] = {
    "flip": _SAME,
    "vflip": _SAME,
    "rotate": _ROUNDING,
    "shift": _ROUNDING,
    "zoom": _ROUNDING,
    "affine": _ROUNDING,
    "perspective": _ROUNDING,
    "random_resized_crop": Tolerance(0.15),
    "color": Tolerance(0.5, 0.02),
    "brightness_contrast": _ROUNDING,
    "gamma": _SAME,
    "grayscale": _SAME,
    "clahe": Tolerance(0.1, 0.001),
    "noise": _ROUNDING,
    "blur": _ROUNDING,
    "sharpen": _ROUNDING,
    "coarse_dropout": _SAME,
    "rand_augment": Tolerance(0.01, 0.001),
}

"""Which steps a specification may name, what they take, and how each draws what it does to one image.

The table for a reader is in augment.py. A limit such as rotate's degrees is drawn evenly up to it, both ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables import augment_changes as changes
from trainables import augment_ops as ops
from trainables.augment_ops import Op
from trainables.spec import REQUIRED, Argument

Rng = np.random.Generator
Shape = tuple[int, int]
Draw = Callable[..., list[Op]]
"""(rng, (height, width), **arguments) -> what this image goes through."""


@dataclass(frozen=True)
class Kind:
    """One row of the table. p: its default probability."""

    draw: Draw
    arguments: Mapping[str, Argument]
    p: float = 1.0


def _around(rng: Rng, limit: float) -> float:
    """In [-limit, limit]."""
    return float(rng.uniform(-limit, limit))


# ---- where pixels go --------------------------------------------------------------------------------


def _flip(rng: Rng, shape: Shape) -> list[Op]:
    return [ops.Move(ops.mirror(True, False, *shape))]


def _vflip(rng: Rng, shape: Shape) -> list[Op]:
    return [ops.Move(ops.mirror(False, True, *shape))]


def _affine(
    rng: Rng, shape: Shape, degrees: float = 0.0, shift: float = 0.0, zoom: float = 0.0, shear: float = 0.0
) -> list[Op]:
    turn, size = _around(rng, degrees), 1 + _around(rng, zoom)
    x, y = _around(rng, shift) * shape[1], _around(rng, shift) * shape[0]
    return [ops.Move(ops.affine(*shape, turn, size, x, y, _around(rng, shear), _around(rng, shear)))]


def _perspective(rng: Rng, shape: Shape, scale: float) -> list[Op]:
    return [ops.Move(ops.perspective(*shape, rng.uniform(0, scale, (4, 2))))]


def _random_resized_crop(rng: Rng, shape: Shape, min_scale: float, stretch: float) -> list[Op]:
    """A part of the area in [min_scale, 1]; its sides' ratio over the image's within 1 / stretch and stretch.

    Szegedy et al., Going Deeper with Convolutions, 2014; a side that would not fit is clipped to the image.
    """
    area = float(rng.uniform(min_scale, 1.0))
    ratio = math.exp(_around(rng, math.log(stretch)))
    height = min(1.0, math.sqrt(area / ratio)) * shape[0]
    width = min(1.0, math.sqrt(area * ratio)) * shape[1]
    top, left = rng.uniform(0, 1, 2) * (shape[0] - height, shape[1] - width)
    return [ops.Move(ops.crop(*shape, float(top), float(left), height, width))]


# ---- colours ----------------------------------------------------------------------------------------


def _color(
    rng: Rng, shape: Shape, brightness: float, contrast: float, saturation: float, hue: float
) -> list[Op]:
    """As torchvision's ColorJitter, in this order."""
    drawn: list[Op] = [
        ops.scaled(1 + _around(rng, brightness)),
        ops.contrast(1 + _around(rng, contrast)),
        ops.saturation(1 + _around(rng, saturation)),
    ]
    return [*drawn, ops.hue(_around(rng, hue))] if hue else drawn


def _brightness_contrast(rng: Rng, shape: Shape, brightness: float, contrast: float) -> list[Op]:
    return [ops.scaled(1 + _around(rng, contrast), 255 * _around(rng, brightness))]


def _grayscale(rng: Rng, shape: Shape) -> list[Op]:
    return [ops.saturation(0.0)]


def _gamma(rng: Rng, shape: Shape, limit: float) -> list[Op]:
    return [changes.gamma(math.exp(_around(rng, math.log1p(limit))))]


def _clahe(rng: Rng, shape: Shape, clip: float) -> list[Op]:
    return [changes.clahe(float(rng.uniform(1.0, clip)))]


# ---- pixels -----------------------------------------------------------------------------------------


def _noise(rng: Rng, shape: Shape, std: float) -> list[Op]:
    return [changes.noise(rng, shape, float(rng.uniform(0, std)))]


def _blur(rng: Rng, shape: Shape, sigma: float) -> list[Op]:
    return [changes.blur(float(rng.uniform(0.1, max(sigma, 0.1))))]


def _sharpen(rng: Rng, shape: Shape, amount: float) -> list[Op]:
    return [changes.sharpen(float(rng.uniform(0, amount)))]


def _coarse_dropout(rng: Rng, shape: Shape, side: float, holes: int) -> list[Op]:
    drawn: list[Op] = []
    for _ in range(holes):
        height, width = (max(1, round(pixels * float(rng.uniform(side / 2, side)))) for pixels in shape)
        top, left = int(rng.integers(shape[0] - height + 1)), int(rng.integers(shape[1] - width + 1))
        drawn.append(changes.hole(top, left, top + height, left + width))
    return drawn


# ---- a policy ---------------------------------------------------------------------------------------


def _enhanced(make: Callable[[float], Op]) -> Callable[[float, Shape], Op]:
    """PIL's enhancers: factor 1 changes nothing, full strength is 0.9 off."""
    return lambda strength, shape: make(1 + 0.9 * strength)


_POLICY: tuple[Callable[[float, Shape], Op], ...] = (
    lambda strength, shape: ops.Move(np.eye(3)),
    lambda strength, shape: changes.autocontrast(),
    lambda strength, shape: changes.equalize(),
    lambda strength, shape: changes.posterize(8 - round(4 * abs(strength))),
    lambda strength, shape: changes.solarize(256 - round(256 * abs(strength))),
    _enhanced(ops.scaled),
    _enhanced(ops.contrast),
    _enhanced(ops.saturation),
    lambda strength, shape: changes.sharpen(0.9 * strength),
    lambda strength, shape: ops.Move(ops.affine(*shape, degrees=30 * strength)),
    lambda strength, shape: ops.Move(ops.affine(*shape, shear_x=17 * strength)),
    lambda strength, shape: ops.Move(ops.affine(*shape, shear_y=17 * strength)),
    lambda strength, shape: ops.Move(ops.affine(*shape, x=0.45 * strength * shape[1])),
    lambda strength, shape: ops.Move(ops.affine(*shape, y=0.45 * strength * shape[0])),
)


def _rand_augment(rng: Rng, shape: Shape, n: int, magnitude: float) -> list[Op]:
    """n of 14 steps, with replacement, all at one magnitude, either way.

    Cubuk et al., RandAugment, 2019; their table of steps, magnitude 10 of 10 is their 30 of 30.
    """
    chosen = rng.integers(len(_POLICY), size=n)
    signs = rng.choice((-1.0, 1.0), size=n)
    return [_POLICY[index](magnitude / 10 * sign, shape) for index, sign in zip(chosen, signs, strict=True)]


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
    "sharpen": Kind(_sharpen, {"amount": _up_to(10.0, 0.5)}, 0.5),
    "coarse_dropout": Kind(
        _coarse_dropout, {"side": _up_to(1.0, 0.3, 0.01), "holes": Argument(1, 1, 64, whole=True)}, 0.5
    ),
    "rand_augment": Kind(
        _rand_augment, {"n": Argument(2, 1, 14, whole=True), "magnitude": _up_to(10.0, 5.0)}
    ),
}

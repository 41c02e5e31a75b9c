"""How each step of the language draws its numbers for the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trainables.images.device_steps import clahe, colours, filters, holes, moves, policy
from trainables.images.device_steps.ops import Op

Draw = Callable[..., list[Op]]
"""((height, width), rows that go through it, rng, **the step's arguments) -> what runs on the device."""

DRAWS: Mapping[str, Draw] = {
    "flip": moves.flip,
    "vflip": moves.vflip,
    "rotate": moves.affine,
    "shift": moves.affine,
    "zoom": moves.affine,
    "affine": moves.affine,
    "perspective": moves.perspective,
    "random_resized_crop": moves.random_resized_crop,
    "color": colours.color,
    "brightness_contrast": colours.brightness_contrast,
    "gamma": colours.gamma,
    "grayscale": colours.grayscale,
    "clahe": clahe.clahe,
    "noise": filters.noise,
    "blur": filters.blur,
    "sharpen": filters.sharpen,
    "coarse_dropout": holes.coarse_dropout,
    "rand_augment": policy.rand_augment,
}

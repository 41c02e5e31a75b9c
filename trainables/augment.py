"""Two pipelines over stored images (H, W, 3) uint8 RGB: one for training rows, one for all others.

Both see images that the store has already decoded and resized; normalisation is the network's first step.
So the validation pipeline is empty, and prediction from files is the same preprocessing by construction.

`augment` is a strength of the table below, or steps joined by + that are done in this order:

    flip(0.5) + rotate(15) + one_of(noise(0.1), clahe(), grayscale(p=0.2), p=0.7) + coarse_dropout(0.3)

    step                                     p    what it does; limits are drawn up to, both ways
    flip, vflip                              0.5  mirror image left to right, top to bottom; flip(0.5) is p
    rotate(degrees)                          1    about the middle
    shift(shift)                             1    by this share of the sides
    zoom(zoom)                               1    to 1 - zoom .. 1 + zoom times the size
    affine(degrees=10, shift=0.05,           1    all of these and shear, in degrees
           zoom=0.1, shear=0)
    perspective(scale=0.1)                   1    corners up to this share of the sides inside
    random_resized_crop(min_scale=0.5,       1    a part of this share of the area or more, its sides' ratio
                        stretch=4/3)              changed up to `stretch` times, blown up to the whole
    color(brightness=0.2, contrast=0.2,      1    as torchvision's ColorJitter; hue: share of the circle
          saturation=0.2, hue=0)
    brightness_contrast(brightness=0.2,      1    pixel * (1 + contrast) + 255 * brightness
                        contrast=0.2)
    gamma(limit=0.2)                         1    exponent from 1 / (1 + limit) to 1 + limit
    grayscale                                0.5  luma in all three channels
    clahe(clip=4)                            0.5  adaptive histogram equalisation, clip limit 1 to `clip`
    noise(std=0.1)                           0.5  Gaussian, up to this share of 255, apart for each channel
    blur(sigma=1)                            0.5  Gaussian, sigma from 0.1 pixels
    sharpen(amount=0.5)                      0.5  unsharp mask
    coarse_dropout(side=0.3, holes=1)        0.5  rectangles of one colour, sides from half of `side` to it
    rand_augment(n=2, magnitude=5)           1    n steps of RandAugment's table, magnitude 0 to 10
    one_of(step, step, ..., p=1)             1    exactly one; the steps' own p are how likely each is chosen
    some_of(n, step, step, ..., p=1)         1    n different ones, chosen so

Every step takes p=, the probability that an image goes through it. Neighbours that move pixels are one warp
(bilinear, mirrored at the border), neighbours that change colours are one matrix, clipped once.
"""

from __future__ import annotations

import difflib
import os
import random
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the network for news

import albumentations as A
import cv2

from orchestrator.errors import TrainableError
from trainables.augment_spec import STEPS, SpecPipeline, parse_augment

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Strength:
    """One row of the table: limits of what training may do to an image; 0 leaves a step out."""

    flip: float  # probability of a mirror image
    shift: float  # of the image's side, either way
    zoom: float  # of the image's size, either way
    rotate: float  # degrees, either way
    light: float  # brightness and contrast, share either way
    hue: int  # saturation and value, of 255; half of it in hue, of 180
    blur: float  # probability of a Gaussian blur
    hole: float  # side of one grey square as a share of the image's (cutout), in half of the images


#                     flip  shift  zoom  rotate light hue  blur  hole
TABLE = {
    "none":   Strength(0.0, 0.00, 0.00,   0,   0.00,   0, 0.00, 0.00),
    "light":  Strength(0.5, 0.05, 0.05,   5,   0.10,   0, 0.00, 0.00),
    "medium": Strength(0.5, 0.08, 0.10,  10,   0.20,  15, 0.05, 0.00),
    "strong": Strength(0.5, 0.12, 0.20,  20,   0.30,  30, 0.10, 0.35),
}  # fmt: skip


def train_pipeline(strength: str) -> A.Compose:
    """The training pipeline of a named strength. Raises TrainableError."""
    if strength not in TABLE:
        raise _unknown(strength, "augment")
    row = TABLE[strength]
    steps: list[A.BasicTransform] = []
    if row.flip:
        steps.append(A.HorizontalFlip(p=row.flip))
    if row.shift or row.zoom or row.rotate:
        steps.append(_move(row))
    if row.light:
        steps.append(A.RandomBrightnessContrast(row.light, row.light, p=0.8))
    if row.hue:
        steps.append(A.HueSaturationValue(row.hue // 2, row.hue, row.hue, p=0.5))
    if row.blur:
        steps.append(A.GaussianBlur(blur_limit=(3, 5), p=row.blur))
    if row.hole:
        side = (row.hole / 2, row.hole)
        steps.append(
            A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=side, hole_width_range=side, p=0.5)
        )
    return A.Compose(steps)


def _move(row: Strength) -> A.BasicTransform:
    return A.Affine(
        scale=(1 - row.zoom, 1 + row.zoom),
        translate_percent=(-row.shift, row.shift),
        rotate=(-row.rotate, row.rotate),
        border_mode=cv2.BORDER_REFLECT_101,  # a black border would tell the network that an image was moved
        p=0.9,
    )


def validation_pipeline() -> A.Compose:
    """What validated and predicted images go through after the store: nothing."""
    return A.Compose([])


class _NamedPipeline:
    """A named strength over batches, from any thread."""

    def __init__(self, strength: str) -> None:
        self._strength = strength
        self._local = threading.local()  # a pipeline holds its random state, so each thread has its own
        self._empty = len(train_pipeline(strength)) == 0

    def __call__(self, images: Images, rng: np.random.Generator) -> Images:
        if self._empty:
            return images.copy()
        pipeline = self._pipeline()
        pipeline.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        return np.stack([pipeline(image=image)["image"] for image in images])

    def _pipeline(self) -> A.Compose:
        if not hasattr(self._local, "pipeline"):
            self._local.pipeline = train_pipeline(self._strength)
        return self._local.pipeline


def _pipeline_of(augment: str, parameter: str) -> _NamedPipeline | SpecPipeline:
    if augment.strip() in TABLE:
        return _NamedPipeline(augment.strip())
    if augment.strip().isidentifier() and augment.strip() not in STEPS:
        raise _unknown(augment, parameter)
    return SpecPipeline(parse_augment(augment, parameter))


def _unknown(augment: str, parameter: str) -> TrainableError:
    close = difflib.get_close_matches(augment.strip(), (*TABLE, *STEPS), n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return TrainableError(
        f"{parameter}={augment!r} is not known{hint}; use one of {', '.join(TABLE)}, "
        "or steps such as flip(0.5) + rotate(15)"
    )


def check_augment(augment: str, parameter: str = "augment") -> None:
    """Raises TrainableError for a strength or a step that is not known or takes something else."""
    _pipeline_of(augment, parameter)


class Augmenter:
    """The training pipeline for batches, from any thread: the result follows from the generator alone.

    spec: a named strength or steps; rare: the same for rows of rare classes, "" as the others.
    Raises TrainableError.
    """

    def __init__(self, spec: str, rare: str = "") -> None:
        self._common = _pipeline_of(spec, "augment")
        self._rare = _pipeline_of(rare, "augment_rare") if rare else None

    def __call__(
        self, images: Images, rng: np.random.Generator, is_rare: NDArray[np.bool_] | None = None
    ) -> Images:
        """images (B, H, W, 3), is_rare (B,) -> the same shape as the images, a new array."""
        if self._rare is None or is_rare is None or not is_rare.any():
            return self._common(images, rng)
        changed = np.empty_like(images, subok=False)
        for pipeline, rows in ((self._common, ~is_rare), (self._rare, is_rare)):
            if rows.any():
                changed[rows] = pipeline(images[rows], rng)
        return changed

"""Two pipelines over stored images (H, W, 3) uint8 RGB: one for training rows, one for all others.

Both see images that the store has already decoded and resized; normalisation is the network's first step.
So the validation pipeline is empty, and prediction from files is the same preprocessing by construction.

`augment` is one of the strengths below, or steps joined by + that are done in this order:

    flip(0.5) + rotate(15) + one_of(noise(0.1), clahe(), grayscale(p=0.2), p=0.7) + coarse_dropout(0.3)

    step                                     p    what it does; limits are drawn up to, both ways
    flip, vflip                              0.5  mirror image left to right, top to bottom; flip(0.5) is p
    rotate(degrees)                          1    about the middle
    shift(shift)                             1    by this share of the sides
    zoom(zoom)                               1    to 1 - zoom .. 1 + zoom times the size
    affine(degrees=10, shift=0.05,           1    all of these and shear, in degrees
           zoom=0.1, shear=0)
    perspective(scale=0.1)                   1    corners moved by about this share of the sides
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
    sharpen(amount=0.5)                      0.5  blended with a sharpened copy, up to this share
    coarse_dropout(side=0.3, holes=1)        0.5  rectangles of one colour, sides from half of `side` to it
    rand_augment(n=2, magnitude=5)           1    n steps of RandAugment's table, magnitude 0 to 10
    one_of(step, step, ..., p=1)             1    exactly one; the steps' own p are how likely each is chosen
    some_of(n, step, step, ..., p=1)         1    n different ones, chosen evenly, each then with its p

Every step takes p=, the probability that an image goes through it, and is a transform of albumentations
(augment_steps.py). What is moved in from outside an image is mirrored at its border. device_augment.py does
the same steps to tensors.
"""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from orchestrator.core.text import suggestion
from trainables.images.augment_spec import STEPS, parse_augment, pipeline_of

Images = NDArray[np.uint8]

_LIGHT = "flip(0.5) + affine(5, 0.05, 0.05, p=0.9) + brightness_contrast(0.1, 0.1, p=0.8)"
_MEDIUM = (
    "flip(0.5) + affine(10, 0.08, 0.1, p=0.9) + brightness_contrast(0.2, 0.2, p=0.8)"
    " + color(0, 0, 0.15, 0.02, p=0.5) + blur(1, p=0.05)"
)
_STRONG = (
    "flip(0.5) + affine(20, 0.12, 0.2, p=0.9) + brightness_contrast(0.3, 0.3, p=0.8)"
    " + color(0, 0, 0.3, 0.04, p=0.5) + blur(1, p=0.1) + coarse_dropout(0.35, p=0.5)"
)
STRENGTHS = {"none": "", "light": _LIGHT, "medium": _MEDIUM, "strong": _STRONG}


class _Pipeline:
    """A specification over batches, from any thread: the result follows from the generator alone."""

    def __init__(self, augment: str, parameter: str) -> None:
        self._steps = parse_augment(spec_of(augment, parameter), parameter)
        self._local = threading.local()  # a pipeline holds its random state, so each thread has its own

    def __call__(self, images: Images, rng: np.random.Generator) -> Images:
        """images (B, H, W, 3) -> the same shape, a new array."""
        changed: Images = np.array(images, subok=False)
        if not self._steps:
            return changed
        pipeline = self._pipeline((int(images.shape[1]), int(images.shape[2])))
        pipeline.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        for image in changed:
            image[...] = pipeline(image=image)["image"]
        return changed

    def _pipeline(self, shape: tuple[int, int]) -> Any:
        if getattr(self._local, "shape", None) != shape:
            self._local.shape, self._local.pipeline = shape, pipeline_of(self._steps, shape)
        return self._local.pipeline


def spec_of(augment: str, parameter: str) -> str:
    """The steps of a named strength, or the steps as they are. Raises TrainableError for an unknown name."""
    name = augment.strip()
    if name in STRENGTHS:
        return STRENGTHS[name]
    if name.isidentifier() and name not in STEPS:
        raise TrainableError(
            f"{parameter}={augment!r} is not known; use one of {', '.join(STRENGTHS)}, "
            f"or steps such as flip(0.5) + rotate(15){suggestion(name, (*STRENGTHS, *STEPS))}"
        )
    return augment


def check_augment(augment: str, parameter: str = "augment") -> None:
    """Raises TrainableError for a strength or a step that is not known or takes something else."""
    parse_augment(spec_of(augment, parameter), parameter)


class Augmenter:
    """The training pipeline for batches, from any thread: the result follows from the generator alone.

    spec: a named strength or steps; rare: the same for rows of rare classes, "" as the others.
    Raises TrainableError.
    """

    def __init__(self, spec: str, rare: str = "") -> None:
        self._common = _Pipeline(spec, "augment")
        self._rare = _Pipeline(rare, "augment_rare") if rare else None

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

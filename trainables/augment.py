"""Two pipelines over stored images (size, size, 3) uint8 RGB: one for training rows, one for all others.

Both see images that the store has already decoded and resized; normalisation is the network's first step.
So the validation pipeline is empty, and prediction from files is the same preprocessing by construction.
"""

from __future__ import annotations

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
        raise TrainableError(f"augment={strength!r} is not known; use one of {', '.join(TABLE)}")
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


class Augmenter:
    """The training pipeline for batches, from any thread: the result follows from the generator alone."""

    def __init__(self, strength: str) -> None:
        self._strength = strength
        self._local = threading.local()  # a pipeline holds its random state, so each thread has its own
        self._empty = len(train_pipeline(strength)) == 0

    def __call__(self, images: Images, rng: np.random.Generator) -> Images:
        """images (B, S, S, 3) -> the same shape, a new array."""
        if self._empty:
            return images.copy()
        pipeline = self._pipeline()
        pipeline.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        return np.stack([pipeline(image=image)["image"] for image in images])

    def _pipeline(self) -> A.Compose:
        if not hasattr(self._local, "pipeline"):
            self._local.pipeline = train_pipeline(self._strength)
        return self._local.pipeline

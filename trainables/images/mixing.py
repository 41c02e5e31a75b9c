"""Batches of mixed images and, by the same shares, mixed labels."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.parameters import MIXES

Images = NDArray[np.uint8]
Targets = NDArray[np.int64] | NDArray[np.float32]


def mix_batch(
    images: Images,
    targets: NDArray[np.int64],
    classes: int,
    kind: str,
    alpha: float,
    probability: float,
    rng: np.random.Generator,
) -> tuple[Images, Targets]:
    """images (B, H, W, 3), targets (B,) or (B, L): with `probability` mixed, targets then float32 rows.

    Rows of shares: (B, classes) of classes; of several labels (B, L), the mix of both rows' labels.

    Every image is mixed with another of the batch, all by one share lambda ~ Beta(alpha, alpha), as in the
    papers' own code. A batch that is not mixed comes back as it is. Nothing is changed in place.
    "mixup": Zhang et al. 2018 (https://arxiv.org/abs/1710.09412); "cutmix": Yun et al. 2019
    (https://arxiv.org/abs/1905.04899); "both": one or the other, evenly. Raises TrainableError.
    """
    if kind not in MIXES:
        raise TrainableError(f"mix={kind!r} is not known; use one of {', '.join(MIXES)}")
    if kind == "none" or rng.random() >= probability:
        return images, targets
    if kind == "both":
        kind = ("mixup", "cutmix")[int(rng.integers(2))]
    share, partner = float(rng.beta(alpha, alpha)), rng.permutation(len(images))
    if kind == "mixup":
        mixed = _blend(images, partner, share)
    else:
        mixed, share = _paste(images, partner, share, rng)
    rows = np.eye(classes)[targets] if targets.ndim == 1 else targets
    return mixed, (share * rows + (1.0 - share) * rows[partner]).astype(np.float32)


def _blend(images: Images, partner: NDArray[np.int64], share: float) -> Images:
    """share * each image + (1 - share) * its partner, to the nearest whole number."""
    mixed = np.empty(images.shape, np.uint8)
    rows = images.reshape(len(images), 1, -1)
    # image by image: both and the result then stay in the processor's cache, several times faster
    for out, image, other in zip(mixed.reshape(rows.shape), rows, partner, strict=True):
        cv2.addWeighted(image, share, rows[other], 1.0 - share, 0.0, dst=out)
    return mixed


def _paste(
    images: Images, partner: NDArray[np.int64], share: float, rng: np.random.Generator
) -> tuple[Images, float]:
    """A box of the partner's over each image, and the share of pixels that are still the image's own.

    The box has 1 - share of the area and its centre anywhere; what sticks out is cut off, hence the share.
    """
    height, width = images.shape[1:3]
    side = math.sqrt(1.0 - share)
    top, bottom = _span(height, side, rng)
    left, right = _span(width, side, rng)
    mixed = images.copy()
    mixed[:, top:bottom, left:right] = images[partner, top:bottom, left:right]
    return mixed, 1.0 - (bottom - top) * (right - left) / (height * width)


def _span(length: int, side: float, rng: np.random.Generator) -> tuple[int, int]:
    cut, centre = int(length * side), int(rng.integers(length))
    return max(0, centre - cut // 2), min(length, centre - cut // 2 + cut)

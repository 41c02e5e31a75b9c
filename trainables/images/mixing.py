"""Batches of mixed images and, by the same shares, mixed labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.parameters import MIXES

Images = NDArray[np.uint8]
Targets = NDArray[np.int64] | NDArray[np.float32]
Box = tuple[slice, slice]  # rows and columns of pixels


@dataclass(frozen=True)
class Mix:
    """How the images of one batch are mixed."""

    partner: NDArray[np.int64]  # (B,) the position of each image's other
    share: float  # of the image itself in what becomes of it, in pixels or in their values
    box: Box | None  # where the partner's pixels replace the image's; None: values are averaged everywhere


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
    mix = draw_mix((len(images), *images.shape[1:3]), kind, alpha, probability, rng)
    if mix is None:
        return images, targets
    mixed = _blend(images, mix) if mix.box is None else _paste(images, mix.partner, mix.box)
    rows = np.eye(classes)[targets] if targets.ndim == 1 else targets
    return mixed, (mix.share * rows + (1.0 - mix.share) * rows[mix.partner]).astype(np.float32)


def draw_mix(
    shape: tuple[int, int, int], kind: str, alpha: float, probability: float, rng: np.random.Generator
) -> Mix | None:
    """What happens to a batch of this shape, (B, H, W); None: it stays as it is. Raises TrainableError."""
    if kind not in MIXES:
        raise TrainableError(f"mix={kind!r} is not known; use one of {', '.join(MIXES)}")
    if kind == "none" or rng.random() >= probability:
        return None
    if kind == "both":
        kind = ("mixup", "cutmix")[int(rng.integers(2))]
    share, partner = float(rng.beta(alpha, alpha)), rng.permutation(shape[0])
    if kind == "mixup":
        return Mix(partner, share, None)
    box, share = _draw_box(shape[1], shape[2], share, rng)
    return Mix(partner, share, box)


def _blend(images: Images, mix: Mix) -> Images:
    """share * each image + (1 - share) * its partner, to the nearest whole number."""
    mixed = np.empty(images.shape, np.uint8)
    rows = images.reshape(len(images), 1, -1)
    # image by image: both and the result then stay in the processor's cache, several times faster
    for out, image, other in zip(mixed.reshape(rows.shape), rows, mix.partner, strict=True):
        cv2.addWeighted(image, mix.share, rows[other], 1.0 - mix.share, 0.0, dst=out)
    return mixed


def _paste(images: Images, partner: NDArray[np.int64], box: Box) -> Images:
    """The box of its partner over each image."""
    rows, columns = box
    mixed = images.copy()
    mixed[:, rows, columns] = images[partner, rows, columns]
    return mixed


def _draw_box(height: int, width: int, share: float, rng: np.random.Generator) -> tuple[Box, float]:
    """A box, and the share of pixels outside it, which are still the image's own.

    The box has 1 - share of the area and its centre anywhere; what sticks out is cut off, hence the share.
    """
    side = math.sqrt(1.0 - share)
    top, bottom = _span(height, side, rng)
    left, right = _span(width, side, rng)
    outside = 1.0 - (bottom - top) * (right - left) / (height * width)
    return (slice(top, bottom), slice(left, right)), outside


def _span(length: int, side: float, rng: np.random.Generator) -> tuple[int, int]:
    cut, centre = int(length * side), int(rng.integers(length))
    return max(0, centre - cut // 2), min(length, centre - cut // 2 + cut)

"""What albumentations and OpenCV make of the numbers that were drawn for a device, image by image.

The same ops in another implementation: `by_albumentations(ops, images)` equals `ops.run` within a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import albucore
import albumentations.augmentations.crops.functional as crops
import albumentations.augmentations.dropout.functional as dropout
import albumentations.augmentations.geometric.functional as geometric
import albumentations.augmentations.pixel.functional as pixel
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from trainables.images.augment_steps import BORDER, FILL
from trainables.images.device_steps import (
    clahe,
    colours,
    filters,
    histogram,
    holes,
    hue,
    lookup,
    sampling,
)
from trainables.images.device_steps.ops import Op

Image = NDArray[np.uint8]
Images = NDArray[np.uint8]


def by_albumentations(ops: Sequence[Op], images: Images) -> Images:
    """images (B, H, W, 3) -> the same after every op."""
    changed = images.copy()
    for op in ops:
        rows = np.ascontiguousarray(changed[op.rows])
        if isinstance(op.kernel, partial):
            changed[op.rows] = _noisy(rows, op.values["spread"], **op.kernel.keywords)
            continue
        for place, row in enumerate(op.rows):
            values = {name: array[place] for name, array in op.values.items()}
            changed[row] = REFERENCES[op.kernel](rows[place], **values)
    return changed


def _noisy(images: Images, spread: NDArray[np.float32], seed: int) -> Images:
    count, height, width = images.shape[:3]
    drawn = torch.empty(count, 3, height, width).normal_(generator=torch.Generator().manual_seed(seed))
    noises = np.ascontiguousarray(drawn.permute(0, 2, 3, 1).numpy()) * spread[:, None, None, None]
    return np.stack([pixel.add_noise(image, noise) for image, noise in zip(images, noises, strict=True)])


def in_pixels(inverse: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Undoes sampling.normalised."""
    high, wide = (2 / max(1, length - 1) for length in shape)
    undo = np.linalg.inv(np.array([[wide, 0, -1], [0, high, -1], [0, 0, 1]]))
    return np.asarray(undo @ inverse.astype(np.float64))


def _warped(image: Image, inverse: NDArray[np.float32]) -> Any:
    height, width = image.shape[:2]
    matrix = np.linalg.inv(in_pixels(inverse, (height, width)))
    if np.array_equal(inverse[2], [0, 0, 1]):
        return geometric.warp_affine(image, matrix, cv2.INTER_LINEAR, 0, BORDER, (height, width))
    return geometric.perspective(image, matrix, width, height, 0, BORDER, True, cv2.INTER_LINEAR)


def _cropped(image: Image, box: NDArray[np.float32]) -> Any:
    left, top, wide, high = box.astype(int)
    part = crops.crop(image, left, top, left + wide, top + high)
    return geometric.resize(np.ascontiguousarray(part), image.shape[:2], cv2.INTER_LINEAR)


def _equalised(image: Image, most: np.int64) -> Any:
    height, width = clahe.tile_shape(image.shape[:2])
    return pixel.clahe(image, (float(most) + 0.5) * 256 / (height * width), (8, 8))


def _sharpened(image: Image, share: np.float32) -> Any:
    kept, effect = np.zeros((3, 3), np.float32), np.full((3, 3), -1, np.float32)
    kept[1, 1], effect[1, 1] = 1, 9
    return pixel.convolve(image, (1 - share) * kept + share * effect)


def _filled(image: Image, edges: NDArray[np.float32]) -> Any:
    boxes = [(left, top, right, bottom) for top, bottom, left, right in edges.astype(int)]
    return dropout.cutout(image, np.array(boxes), FILL, np.random.default_rng(0))


REFERENCES: Mapping[Any, Callable[..., Any]] = {
    sampling.mirror_x: lambda image: cv2.flip(image, 1),
    sampling.mirror_y: lambda image: cv2.flip(image, 0),
    sampling.warp: _warped,
    sampling.crop: _cropped,
    colours.linear: lambda image, factor, offset: albucore.multiply_add(image, float(factor), float(offset)),
    colours.contrast: lambda image, factor: pixel.adjust_contrast_torchvision(image, float(factor)),
    colours.saturation: lambda image, factor: pixel.adjust_saturation_torchvision(image, float(factor)),
    colours.grey: lambda image: pixel.to_gray(image, 3, "weighted_average"),
    colours.posterized: lambda image, step: pixel.posterize(image, 8 - int(np.log2(step))),
    colours.solarized: lambda image, threshold: pixel.solarize(image, float(threshold) / 255),
    hue.turned: lambda image, degrees: pixel.adjust_hue_torchvision(image, float(degrees) / 180),
    lookup.look_up: lambda image, levels: cv2.LUT(image, levels.astype(np.uint8)),
    histogram.equalized: lambda image: pixel.equalize(image, mode="cv", by_channels=True),
    histogram.stretched: lambda image: pixel.auto_contrast(image, 0, None, "cdf"),
    clahe.equalised: _equalised,
    filters.blurred: lambda image, taps: pixel.separable_convolve(image, taps),
    filters.sharpened: _sharpened,
    holes.filled: _filled,
}

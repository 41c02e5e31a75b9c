"""Kernels that fetch each pixel from elsewhere in its image, between pixels linearly."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainables.images.device_steps.ops import Array, Rows, Shape


def mirror_x(images: Tensor) -> Tensor:
    return images.flip(3)


def mirror_y(images: Tensor) -> Tensor:
    return images.flip(2)


def warp(images: Tensor, inverse: Tensor) -> Tensor:
    """As cv2.warpPerspective; what lies outside is mirrored at the border pixels (BORDER_REFLECT_101).

    inverse (n, 3, 3): from a pixel (x, y, 1) of the result to where it comes from, -1 .. 1 being the middle
    of the first .. last pixel (`normalised`).
    """
    height, width = images.shape[2:]
    x = torch.arange(width, device=images.device, dtype=torch.float32)[:, None]
    y = torch.arange(height, device=images.device, dtype=torch.float32)[:, None, None]
    by_x, by_y, fixed = inverse[:, None, None].unbind(-1)  # each (n, 1, 1, 3)
    along = torch.addcmul(torch.addcmul(fixed, by_y, y), by_x, x)  # (n, H, W, 3)
    return _sampled(images, along[..., :2] / along[..., 2:])


def normalised(inverse: Array, shape: Shape) -> Array:
    """Matrices (n, 3, 3) to pixels -> to places from -1 to 1 in images of this height and width."""
    high, wide = (2 / max(1, length - 1) for length in shape)
    return np.array([[wide, 0, -1], [0, high, -1], [0, 0, 1]]) @ inverse


def crop(images: Tensor, box: Tensor) -> Tensor:
    """box (n, 4): left, top, width, height in pixels, blown up to the whole image as cv2.resize does."""
    height, width = images.shape[2:]
    left, top, wide, high = (box[:, side, None] for side in range(4))
    x = left + _centres(width, wide)
    y = top + _centres(height, high)
    x, y = x * (2 / max(1, width - 1)) - 1, y * (2 / max(1, height - 1)) - 1
    shape = (len(images), height, width)
    return _sampled(images, torch.stack((x[:, None, :].expand(shape), y[:, :, None].expand(shape)), dim=-1))


def _centres(length: int, part: Tensor) -> Tensor:
    """Where each of `length` pixels lies within a part of `part` pixels (n, 1), never beyond its border."""
    place = (torch.arange(length, device=part.device, dtype=torch.float32) + 0.5) * (part / length) - 0.5
    return torch.minimum(place.clamp_min(0.0), part - 1.0)


def _sampled(images: Tensor, grid: Tensor) -> Tensor:
    """grid (n, H, W, 2): x and y, -1 .. 1 being the middle of the first .. last pixel."""
    # with align_corners the mirror is the middle of the border pixel, as OpenCV's REFLECT_101
    return functional.grid_sample(images, grid, "bilinear", "reflection", align_corners=True).round_()


def mirrored(length: int, before: int, after: int) -> Rows:
    """Where the pixels from -before to length + after of a line come from, by BORDER_REFLECT_101."""
    period = max(1, 2 * (length - 1))
    place: Rows = np.abs(np.arange(-before, length + after)) % period
    return np.minimum(place, period - place)

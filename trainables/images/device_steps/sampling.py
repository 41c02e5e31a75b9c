"""Kernels that fetch each pixel from elsewhere in its image, between pixels linearly."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def mirror_x(images: Tensor) -> Tensor:
    return images.flip(3)


def mirror_y(images: Tensor) -> Tensor:
    return images.flip(2)


def warp(images: Tensor, inverse: Tensor) -> Tensor:
    """inverse (n, 3, 3): from a pixel (x, y, 1) of the result to where it comes from, as cv2.warpPerspective.

    What lies outside is mirrored at the middle of the border pixels (BORDER_REFLECT_101).
    """
    height, width = images.shape[2:]
    x = torch.arange(width, device=images.device, dtype=torch.float32)
    y = torch.arange(height, device=images.device, dtype=torch.float32)[:, None]
    by_x, by_y, fixed = (inverse[:, :, column, None, None] for column in range(3))
    along = by_x * x + by_y * y + fixed  # (n, 3, H, W)
    return _sampled(images, along[:, 0] / along[:, 2], along[:, 1] / along[:, 2])


def crop(images: Tensor, box: Tensor) -> Tensor:
    """box (n, 4): left, top, width, height in pixels, blown up to the whole image as cv2.resize does."""
    height, width = images.shape[2:]
    left, top, wide, high = (box[:, side, None] for side in range(4))
    x = left + _centres(width, wide)
    y = top + _centres(height, high)
    shape = (len(images), height, width)
    return _sampled(images, x[:, None, :].expand(shape), y[:, :, None].expand(shape))


def _centres(length: int, part: Tensor) -> Tensor:
    """Where each of `length` pixels lies within a part of `part` pixels (n, 1), never beyond its border."""
    place = (torch.arange(length, device=part.device, dtype=torch.float32) + 0.5) * (part / length) - 0.5
    return torch.minimum(place.clamp_min(0.0), part - 1.0)


def _sampled(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x, y (n, H, W) in pixels."""
    height, width = images.shape[2:]
    grid = torch.stack((x * (2.0 / max(1, width - 1)) - 1.0, y * (2.0 / max(1, height - 1)) - 1.0), dim=-1)
    # with align_corners the mirror is the middle of the border pixel, as OpenCV's REFLECT_101
    return functional.grid_sample(images, grid, "bilinear", "reflection", align_corners=True).round_()


def mirrored_index(length: int, margin: int, device: torch.device) -> Tensor:
    """Where the pixels -margin .. length + margin of a line come from, by BORDER_REFLECT_101."""
    period = max(1, 2 * (length - 1))
    place = torch.arange(-margin, length + margin, device=device).abs() % period
    return torch.minimum(place, period - place) if length > 1 else torch.zeros_like(place)

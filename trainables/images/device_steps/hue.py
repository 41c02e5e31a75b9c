"""Hue by OpenCV's 8-bit HSV: hue in 180 steps of 2 degrees, whole numbers from its own tables."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.images.device_steps.ops import Array

_SHIFT = 4096.0  # OpenCV's whole numbers have 12 bits after the point


def _table(numerator: float) -> Array:
    """numerator / level in whole numbers, 0 for level 0."""
    quotients: Array = numerator * _SHIFT / np.maximum(1, np.arange(256))
    return np.rint(np.where(np.arange(256) > 0, quotients, 0.0)).astype(np.float32)


TABLES = {
    "by_value": _table(255.0),
    "by_range": _table(30.0),
    "sectors": np.array(
        [[[5]], [[3]], [[1]]], np.float32
    ),  # by which red, green and blue are ahead of the hue
}


def turned(images: Tensor, degrees: Tensor, by_value: Tensor, by_range: Tensor, sectors: Tensor) -> Tensor:
    """degrees (n,): of 180 on the circle, as in OpenCV's 8-bit images; the new hue's fraction is cut off."""
    hue, saturation, value = _hsv(images, by_value, by_range)
    return _rgb((hue + degrees[:, None, None]).remainder_(180.0).floor_(), saturation, value, sectors)


def _hsv(images: Tensor, by_value: Tensor, by_range: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each (n, H, W): hue from 0 to 179, saturation and value from 0 to 255."""
    red, green, blue = images.unbind(1)
    value = images.amax(dim=1)
    spread = value - images.amin(dim=1)
    past_green = torch.where(value == green, blue - red + 2.0 * spread, red - green + 4.0 * spread)
    sector = torch.where(value == red, green - blue, past_green)
    hue = torch.floor(sector * by_range[spread.long()] / _SHIFT + 0.5)
    saturation = torch.floor(spread * by_value[value.long()] / _SHIFT + 0.5)
    return torch.where(hue < 0.0, hue + 180.0, hue), saturation, value


def _rgb(hue: Tensor, saturation: Tensor, value: Tensor, sectors: Tensor) -> Tensor:
    """-> (n, 3, H, W). OpenCV's conversion back cuts the fraction off."""
    place = ((hue / 30.0)[:, None] + sectors).remainder_(6.0)
    away = torch.minimum(place, 4.0 - place).clamp_(0.0, 1.0)
    range_of = (value * saturation).div_(255.0)
    pixels = torch.addcmul(value[:, None], range_of[:, None], away, value=-1.0)
    # a whole number must not fall below itself by the rounding of float32
    return pixels.add_(1e-4).floor_()

"""8-bit CIE L*a*b* as OpenCV has it (sRGB, D65): L * 255 / 100, a + 128, b + 128."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.images.device_steps.ops import Array

_GAMMA, _MATRIX_ONE, _CUBE_ONE = 8, 1 << 12, 1 << 15  # what OpenCV's whole numbers are parts of
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = np.array([0.950456, 1.0, 1.088754])
_THRESHOLD = 216 / 24389  # below it the curve is a line: 841 / 108 * t + 16 / 116


def _linear_light() -> Array:
    """(256,): of each level, 255 * 8 being all of it."""
    share = np.arange(256) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    scaled: Array = np.rint(255 * _GAMMA * linear)
    return scaled.astype(np.int32)


def _cube_roots() -> Array:
    """(3072,): of each amount of light."""
    light = np.arange(256 * 3 // 2 * _GAMMA) / (255 * _GAMMA)
    root = np.where(light < _THRESHOLD, light * 841 / 108 + 16 / 116, np.cbrt(light))
    scaled: Array = np.rint(_CUBE_ONE * root)
    return scaled.astype(np.int32)


TABLES = {
    "linear_light": _linear_light(),
    "cube_roots": _cube_roots(),
    "to_xyz": np.rint(_MATRIX_ONE * _TO_XYZ / _WHITE[:, None]).astype(np.int32),
    "to_light": (np.linalg.inv(_TO_XYZ) * _WHITE).astype(np.float32),
}


def to_lab(images: Tensor, linear_light: Tensor, cube_roots: Tensor, to_xyz: Tensor) -> Tensor:
    """(n, 3, H, W) RGB -> L, a and b, float32 whole numbers."""
    red, green, blue = linear_light[images.long()].unbind(1)
    x, y, z = (
        cube_roots[_divided(red * row[0] + green * row[1] + blue * row[2], _MATRIX_ONE).long()]
        for row in to_xyz.unbind(0)
    )
    lightness = _divided(296 * y - (16 * 255 * _CUBE_ONE + 50) // 100, _CUBE_ONE)
    a = _divided(500 * (x - y) + 128 * _CUBE_ONE, _CUBE_ONE)
    b = _divided(200 * (y - z) + 128 * _CUBE_ONE, _CUBE_ONE)
    return torch.stack((lightness, a, b), dim=1).float()


def _divided(values: Tensor, one: int) -> Tensor:
    """To the nearest, halves up."""
    return torch.div(values + one // 2, one, rounding_mode="floor")


def to_rgb(lab: Tensor, to_light: Tensor) -> Tensor:
    """L, a and b (n, 3, H, W) -> RGB, whole numbers; up to 2 levels from OpenCV's, which has tables here."""
    lightness, a, b = lab.unbind(1)
    y = (lightness * (100.0 / 255.0) + 16.0) / 116.0
    xyz = torch.stack([_cubed(root) for root in (y + (a - 128.0) / 500.0, y, y - (b - 128.0) / 200.0)])
    x, y, z = xyz.unbind(0)
    light = torch.stack([row[0] * x + row[1] * y + row[2] * z for row in to_light.unbind(0)], dim=1)
    light = light.clamp_(0.0, 1.0)
    bent = 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, bent).mul_(255.0).round_().clamp_(0.0, 255.0)


def _cubed(root: Tensor) -> Tensor:
    return torch.where(root > 6 / 29, root**3, (root - 16 / 116) * (108 / 841))

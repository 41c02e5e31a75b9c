"""Steps by an image's own histogram: OpenCV's equalizeHist and albumentations' AutoContrast."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.images.device_steps.lookup import LEVELS, histograms, look_up
from trainables.images.device_steps.ops import Op, Rows, Shape


def equalize(shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    return [Op(equalized, rows)]


def auto_contrast(shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    return [Op(stretched, rows)]


def equalized(images: Tensor) -> Tensor:
    """Each channel as cv2.equalizeHist."""
    first, passed, total = _passed(_channel_histograms(images))
    scale = 255.0 / (total - first)
    return look_up(images, _unless_flat(passed * scale, first, total))


def stretched(images: Tensor) -> Tensor:
    """Each channel along its own distribution; its level 255 is not counted and stays."""
    counts = _channel_histograms(images)
    counts[..., LEVELS - 1].zero_()
    first, passed, total = _passed(counts)
    levels = _unless_flat(passed * 255.0 / (total - first), first, total)
    levels[..., LEVELS - 1].fill_(255.0)
    return look_up(images, levels)


def _channel_histograms(images: Tensor) -> Tensor:
    """(n, 3, H, W) -> (n, 3, 256) int64."""
    count, channels = images.shape[:2]
    number = torch.arange(count * channels, device=images.device).reshape(count, channels, 1, 1)
    return histograms(images.long() + number * LEVELS, count * channels).reshape(count, channels, LEVELS)


def _passed(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels of the lowest level that occurs (..., 1), of those above up to each (..., 256), all (..., 1)."""
    lowest = (counts > 0).to(torch.int8).argmax(dim=-1, keepdim=True)
    first, sums = counts.gather(-1, lowest).float(), counts.cumsum(dim=-1).float()
    return first, sums - first, sums[..., -1:]


def _unless_flat(levels: Tensor, first: Tensor, total: Tensor) -> Tensor:
    """A channel of one level stays as it is."""
    same = torch.arange(LEVELS, device=levels.device, dtype=torch.float32)
    return torch.where(total == first, same, levels.round().clamp_(0.0, 255.0))

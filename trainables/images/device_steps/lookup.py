"""A kernel that looks levels up, and how often an image has each level."""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 256


def look_up(images: Tensor, levels: Tensor) -> Tensor:
    """levels (n, 256), or (n, 3, 256) for each channel apart: what each level becomes."""
    count, channels = images.shape[:2]
    table = levels if levels.ndim == 3 else levels[:, None].expand(count, channels, LEVELS)
    return table.gather(2, images.reshape(count, channels, -1).long()).reshape(images.shape)


def histograms(places: Tensor, count: int) -> Tensor:
    """places: of each pixel its histogram's number * 256 + its level -> how many there are, (count, 256)."""
    flat = places.reshape(-1)
    # one dimension of whole numbers: the same on every run, whatever the order in which threads add
    found = torch.zeros(count * LEVELS, dtype=torch.int64, device=places.device)
    return found.scatter_add_(0, flat, torch.ones_like(flat)).reshape(count, LEVELS)

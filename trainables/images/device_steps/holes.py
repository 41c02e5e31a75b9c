"""Rectangles of one colour."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.images.augment_steps import FILL
from trainables.images.device_steps.ops import Op, Rows, Shape

_COLOUR = {"colour": np.array(FILL, np.float32)}


def coarse_dropout(shape: Shape, rows: Rows, rng: np.random.Generator, side: float, holes: int) -> list[Op]:
    size = (len(rows), holes)
    high, wide = (np.trunc(length * rng.uniform(side / 2, side, size)).astype(np.int64) for length in shape)
    top, left = (rng.integers(0, length - part + 1) for length, part in zip(shape, (high, wide), strict=True))
    edges = np.stack([top, top + high, left, left + wide], axis=-1).astype(np.float32)
    return [Op(filled, rows, {"edges": edges}, _COLOUR)]


def filled(images: Tensor, edges: Tensor, colour: Tensor) -> Tensor:
    """edges (n, holes, 4): top, bottom, left, right in pixels, bottom and right not within; colour (3,)."""
    top, bottom, left, right = edges.unbind(-1)
    rows, columns = _within(images.shape[2], top, bottom), _within(images.shape[3], left, right)
    # one product counts the holes over each pixel, however many there are
    inside = torch.bmm(rows.transpose(1, 2), columns)[:, None] > 0.5
    return torch.where(inside, colour[:, None, None], images)


def _within(length: int, start: Tensor, stop: Tensor) -> Tensor:
    """(n, holes, length): 1 from start to before stop."""
    place = torch.arange(length, device=start.device, dtype=torch.float32)
    return ((place >= start[..., None]) & (place < stop[..., None])).float()

"""Adaptive histogram equalisation of the lightness, as OpenCV's CLAHE over 8 x 8 tiles.

Zuiderveld, Contrast limited adaptive histogram equalization, 1994.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.images.device_steps import lab as labs
from trainables.images.device_steps.lookup import LEVELS, histograms
from trainables.images.device_steps.ops import Op, Rows, Shape
from trainables.images.device_steps.sampling import mirrored

TILES = 8  # a side


def clahe(shape: Shape, rows: Rows, rng: np.random.Generator, clip: float) -> list[Op]:
    height, width = tile_shape(shape)
    most = np.maximum(np.trunc(rng.uniform(1.0, clip, len(rows)) * (height * width) / LEVELS), 1)
    return [Op(equalised, rows, {"most": most.astype(np.int64)}, {**labs.TABLES, **_padding(shape)})]


def _padding(shape: Shape) -> dict[str, Rows]:
    """Where the lines and columns of 8 x 8 whole tiles come from."""
    ends = (TILES * tile - length for tile, length in zip(tile_shape(shape), shape, strict=True))
    places = (mirrored(length, 0, end) for length, end in zip(shape, ends, strict=True))
    return dict(zip(("lines", "columns"), places, strict=True))


def tile_shape(shape: Shape) -> Shape:
    """Height and width of a tile.

    Where 8 divides only one side OpenCV pads both, the one that it divides by 8 pixels.
    """
    if not any(length % TILES for length in shape):
        return shape[0] // TILES, shape[1] // TILES
    return shape[0] // TILES + 1, shape[1] // TILES + 1


def equalised(
    images: Tensor, most: Tensor, lines: Tensor, columns: Tensor, to_light: Tensor, **tables: Tensor
) -> Tensor:
    """most (n,): of a tile's pixels that count at one level; those above are spread over all levels."""
    found = labs.to_lab(images, **tables)
    lightness = found[:, 0].long()
    whole = lightness.index_select(1, lines).index_select(2, columns)
    found[:, 0] = _looked_up(lightness, _levels(whole, most))
    return labs.to_rgb(found, to_light)


def _levels(lightness: Tensor, most: Tensor) -> Tensor:
    """lightness (n, 8 * tile, 8 * tile) -> (n * 64, 256): what levels become in the middle of each tile."""
    count, tile = len(lightness), (lightness.shape[1] // TILES, lightness.shape[2] // TILES)
    number = torch.arange(count * TILES * TILES, device=lightness.device).reshape(count, TILES, 1, TILES, 1)
    tiles = lightness.reshape(count, TILES, tile[0], TILES, tile[1])
    counts = histograms(tiles + number * LEVELS, count * TILES * TILES)
    clipped = _spread(counts, most[:, None].expand(count, TILES * TILES).reshape(-1, 1))
    scale = 255.0 / (tile[0] * tile[1])
    return (clipped.cumsum(dim=1).float() * scale).round_().clamp_(0.0, 255.0)


def _spread(counts: Tensor, most: Tensor) -> Tensor:
    """counts (tiles, 256), most (tiles, 1): what is above is dealt out evenly, the rest at even steps."""
    above = (counts - most).clamp_min(0).sum(dim=1, keepdim=True)
    each, rest = above // LEVELS, above % LEVELS
    step = (LEVELS // rest.clamp_min(1)).clamp_min(1)
    level = torch.arange(LEVELS, device=counts.device)
    more = (level % step == 0) & (level // step < rest)
    return torch.minimum(counts, most) + each + more.long()


def _looked_up(lightness: Tensor, levels: Tensor) -> Tensor:
    """lightness (n, H, W) whole numbers, between the middles of four tiles linearly -> float32."""
    count, height, width = lightness.shape
    tile = tile_shape((height, width))
    above, below, y = _neighbours(height, tile[0], lightness.device)
    left, right, x = _neighbours(width, tile[1], lightness.device)
    image = torch.arange(count, device=lightness.device)[:, None, None] * TILES
    flat = levels.reshape(-1)

    def at(row: Tensor, column: Tensor) -> Tensor:
        return flat[((image + row[:, None]) * TILES + column) * LEVELS + lightness]

    upper = at(above, left) * (1.0 - x) + at(above, right) * x
    lower = at(below, left) * (1.0 - x) + at(below, right) * x
    return (upper * (1.0 - y[:, None]) + lower * y[:, None]).round_()


def _neighbours(length: int, tile: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Of each pixel of a line: the tile whose middle is before it, the next one, how near that is."""
    place = torch.arange(length, device=device, dtype=torch.float32) / tile - 0.5
    before = torch.floor(place)
    first = before.long()
    return first.clamp_min(0), (first + 1).clamp_max(TILES - 1), place - before

"""Steps by a pixel's neighbours, mirrored at the border (BORDER_REFLECT_101), and noise."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from trainables.images.device_steps.colours import cut, rounded
from trainables.images.device_steps.ops import Array, Op, Rows, Shape
from trainables.images.device_steps.sampling import mirrored

LEAST_SIGMA = 0.1  # pixels


def blur(shape: Shape, rows: Rows, rng: np.random.Generator, sigma: float) -> list[Op]:
    taps = blur_taps(rng.uniform(LEAST_SIGMA, sigma, len(rows)))
    return [Op(blurred, rows, {"taps": taps}, _borders(shape, taps.shape[1] // 2))]


def _borders(shape: Shape, reach: int) -> dict[str, Rows]:
    """Where the lines and columns of an image with a border of so many pixels come from."""
    return dict(zip(("lines", "columns"), (mirrored(length, reach, reach) for length in shape), strict=True))


def blur_taps(sigma: Array) -> Array:
    """sigma (n,) in pixels -> (n, K): each image's Gaussian within 3.5 sigma, 0 beyond, its sum 1."""
    reach = np.trunc(sigma * 3.5)
    away = np.arange(-reach.max(), reach.max() + 1)
    weights = np.exp(-0.5 * (away / sigma[:, None]) ** 2) * (np.abs(away) <= reach[:, None])
    taps: Array = weights / weights.sum(axis=1, keepdims=True)
    return taps.astype(np.float32)


def blurred(images: Tensor, taps: Tensor, lines: Tensor, columns: Tensor) -> Tensor:
    return rounded(_along(_along(images, taps, 2, lines), taps, 3, columns))


def _along(images: Tensor, taps: Tensor, axis: int, places: Tensor) -> Tensor:
    """taps (n, K), symmetric. A sum of shifted images: exact in float32, where a convolution may use TF32."""
    reach, length = taps.shape[1] // 2, images.shape[axis]
    wide = images.index_select(axis, places)
    total = images * taps[:, reach, None, None, None]
    for away in range(1, reach + 1):
        both = wide.narrow(axis, reach - away, length) + wide.narrow(axis, reach + away, length)
        total.addcmul_(both, taps[:, reach + away, None, None, None])
    return total


def sharpen(shape: Shape, rows: Rows, rng: np.random.Generator, amount: float) -> list[Op]:
    share = rng.uniform(0.0, amount, len(rows)).astype(np.float32)
    return [Op(sharpened, rows, {"share": share}, _borders(shape, 1))]


def sharpened(images: Tensor, share: Tensor, lines: Tensor, columns: Tensor) -> Tensor:
    """share (n,) of nine times the pixel less the eight around it, the rest of the pixel itself."""
    around = images
    for axis, places in ((2, lines), (3, columns)):
        length, wide = images.shape[axis], around.index_select(axis, places)
        around = sum((wide.narrow(axis, start, length) for start in (1, 2)), wide.narrow(axis, 0, length))
    # the sum of 9 has the pixel in it: 9 * pixel - 8 others = 10 * pixel - 9, the pixel itself taken off
    return rounded(torch.addcmul(images, 9.0 * images - around, share[:, None, None, None]))


def noise(shape: Shape, rows: Rows, rng: np.random.Generator, std: float) -> list[Op]:
    spread = (255 * rng.uniform(0.0, std, len(rows))).astype(np.float32)
    return [Op(partial(noisy, seed=int(rng.integers(2**63))), rows, {"spread": spread})]


def noisy(images: Tensor, spread: Tensor, seed: int) -> Tensor:
    """spread (n,): standard deviation in levels. The only numbers that are drawn on the device."""
    generator = torch.Generator("cpu" if images.is_meta else images.device).manual_seed(seed)
    drawn = torch.empty(images.shape, device=images.device).normal_(
        generator=generator
    )  # by place, not layout
    # albumentations cuts the fraction of the noise off, not of the sum
    return cut(drawn.mul_(spread[:, None, None, None]).trunc_().add_(images))

"""Steps that change each pixel by itself and the image's mean: what albumentations does with uint8 images.

Where it looks a level up in a table it cuts the fraction off, where OpenCV computes it rounds; so do these.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from trainables.images.device_steps import hue as hues
from trainables.images.device_steps.lookup import look_up
from trainables.images.device_steps.ops import Array, Kernel, Op, Rows, Shape

Limits = tuple[float, float]
_LUMA = tuple(weight / 2**15 for weight in (9798, 19235, 3735))  # OpenCV's; sums are exact in float32


def cut(pixels: Tensor) -> Tensor:
    """Into 0..255, the fraction cut off; changes the tensor."""
    return pixels.clamp_(0.0, 255.0).floor_()


def rounded(pixels: Tensor) -> Tensor:
    """Into 0..255, to the nearest whole number, halves to the even one; changes the tensor."""
    return pixels.round_().clamp_(0.0, 255.0)


def luma(images: Tensor) -> Tensor:
    """(n, 3, H, W) -> (n, 1, H, W), as OpenCV's grey of RGB."""
    red, green, blue = (images[:, channel, None] for channel in range(3))
    total = (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])
    return total.add_(0.5).floor_()


# ---- kernels ----------------------------------------------------------------------------------------


def linear(images: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    """images * factor + offset; both (n,)."""
    return cut(torch.addcmul(_each(offset), images, _each(factor)))


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """factor (n,) times as far from the mean grey of the image."""
    mean = luma(images).mean(dim=(1, 2, 3), keepdim=True)
    return cut(torch.lerp(mean, images, _each(factor)))


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """factor (n,) times as far from each pixel's own grey."""
    return rounded(torch.lerp(luma(images), images, _each(factor)))


def grey(images: Tensor) -> Tensor:
    return luma(images).expand_as(images).contiguous()


def posterized(images: Tensor, step: Tensor) -> Tensor:
    """step (n,): a power of two; each level becomes the multiple of it below."""
    return torch.floor(images / _each(step)).mul_(_each(step))


def solarized(images: Tensor, threshold: Tensor) -> Tensor:
    """threshold (n,): levels from it on are inverted."""
    return torch.where(images >= _each(threshold), 255.0 - images, images)


def _each(value: Tensor) -> Tensor:
    return value[:, None, None, None]


# ---- draws ------------------------------------------------------------------------------------------


def brightness_contrast(
    shape: Shape, rows: Rows, rng: np.random.Generator, brightness: float, contrast: float
) -> list[Op]:
    factor = 1 + rng.uniform(-contrast, contrast, len(rows))
    offset = 255 * rng.uniform(-brightness, brightness, len(rows))
    return [Op(linear, rows, {"factor": _single(factor), "offset": _single(offset)})]


def color(
    shape: Shape,
    rows: Rows,
    rng: np.random.Generator,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> list[Op]:
    """Each change whose limit is above 0, in an order drawn for each image; the others change nothing."""
    around_one = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    makers = [
        *(
            CHANGES[name]((1 - limit, 1 + limit), len(rows), rng)
            for name, limit in around_one.items()
            if limit
        ),
        *([_hue(hue, len(rows), rng)] if hue else []),
    ]
    order = rng.random((len(rows), len(makers))).argsort(axis=1)
    turns = [(which, order[:, turn] == which) for turn in range(len(makers)) for which in range(len(makers))]
    return [makers[which](rows, chosen) for which, chosen in turns if chosen.any()]


MakeOp = Callable[[Rows, Array], Op]
"""(rows, which of them (n,) bool) -> the op over these."""


def _brightness(limits: Limits, count: int, rng: np.random.Generator) -> MakeOp:
    factor = _single(rng.uniform(*limits, count))
    return _maker(linear, factor=factor, offset=np.zeros_like(factor))


def _contrast(limits: Limits, count: int, rng: np.random.Generator) -> MakeOp:
    return _maker(contrast, factor=_single(rng.uniform(*limits, count)))


def _saturation(limits: Limits, count: int, rng: np.random.Generator) -> MakeOp:
    return _maker(saturation, factor=_single(rng.uniform(*limits, count)))


def _hue(limit: float, count: int, rng: np.random.Generator) -> MakeOp:
    values = {"degrees": _single(180 * rng.uniform(-limit, limit, count))}
    return lambda rows, chosen: Op(
        hues.turned, rows[chosen], {"degrees": values["degrees"][chosen]}, hues.TABLES
    )


def _maker(kernel: Kernel, **values: Array) -> MakeOp:
    return lambda rows, chosen: Op(
        kernel, rows[chosen], {name: array[chosen] for name, array in values.items()}
    )


CHANGES = {"brightness": _brightness, "contrast": _contrast, "saturation": _saturation}


def changed(shape: Shape, rows: Rows, rng: np.random.Generator, name: str, limits: Limits) -> list[Op]:
    """One of brightness, contrast and saturation, times a number drawn from the limits."""
    return [CHANGES[name](limits, len(rows), rng)(rows, np.ones(len(rows), np.bool_))]


def gamma(shape: Shape, rows: Rows, rng: np.random.Generator, limit: float) -> list[Op]:
    exponent = rng.uniform(100 / (1 + limit), 100 * (1 + limit), len(rows)) / 100.0
    return [Op(look_up, rows, {"levels": gamma_levels(exponent)})]


def gamma_levels(exponent: Array) -> Array:
    """exponent (n,) -> (n, 256): what each level becomes, as albumentations' gamma_transform."""
    levels = np.arange(0, 256.0 / 255, 1.0 / 255)[:256] ** exponent[:, None] * 255
    return levels.astype(np.uint8).astype(np.float32)


def grayscale(shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    return [Op(grey, rows)]


def posterize(shape: Shape, rows: Rows, rng: np.random.Generator, least_bits: int) -> list[Op]:
    bits = rng.integers(least_bits, 8, len(rows), endpoint=True)
    return [Op(posterized, rows, {"step": _single(2.0 ** (8 - bits))})]


def solarize(shape: Shape, rows: Rows, rng: np.random.Generator, least: float) -> list[Op]:
    """least: the lowest threshold, a share of 255."""
    threshold = np.ceil(rng.uniform(least, 1.0, len(rows)) * 255)
    return [Op(solarized, rows, {"threshold": _single(threshold)})]


def _single(values: Array) -> Array:
    return values.astype(np.float32)

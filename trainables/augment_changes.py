"""Steps that are neither a warp nor a colour matrix: functions of an image (H, W, 3) uint8."""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainables.augment_ops import Change, Images

FILL = (124, 116, 104)  # ImageNet's mean colour: the zero of a normalised image, as in cutout's paper


def noise(rng: np.random.Generator, shape: tuple[int, int], std: float) -> Change:
    """Gaussian, drawn apart for each pixel and channel. std: of 255."""
    drawn = rng.standard_normal((*shape, 3), np.float32) * np.float32(255 * std)
    return Change(lambda image: _as_pixels(image + drawn))


def blur(sigma: float) -> Change:
    """Gaussian; sigma in pixels."""
    return Change(
        lambda image: np.asarray(
            cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.uint8
        )
    )


def sharpen(amount: float) -> Change:
    """Unsharp mask: the image plus `amount` times what a blur takes from it."""

    def apply(image: Images) -> Images:
        smooth = cv2.GaussianBlur(image, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(cv2.addWeighted(image, 1 + amount, smooth, -amount, 0), np.uint8)

    return Change(apply)


def clahe(clip: float) -> Change:
    """Contrast-limited adaptive histogram equalisation of the lightness, in 8 x 8 tiles."""

    def apply(image: Images) -> Images:
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        lab[..., 0] = cv2.createCLAHE(clip, (8, 8)).apply(np.ascontiguousarray(lab[..., 0]))
        return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)

    return Change(apply)


def gamma(exponent: float) -> Change:
    table = _as_pixels(255 * (np.arange(256) / 255) ** exponent)
    return Change(partial(_looked_up, table=table))


def solarize(threshold: int) -> Change:
    """Inverts what is at least `threshold` bright."""
    values = np.arange(256)
    return Change(partial(_looked_up, table=_as_pixels(np.where(values < threshold, values, 255 - values))))


def posterize(bits: int) -> Change:
    """Keeps the highest bits of each channel."""
    return Change(partial(_looked_up, table=_as_pixels(np.arange(256) & (256 - (1 << (8 - bits))))))


def equalize() -> Change:
    """Flattens the histogram of each channel."""
    return Change(
        lambda image: np.asarray(
            cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(image)]), np.uint8
        )
    )


def autocontrast() -> Change:
    """Stretches each channel to the whole range."""

    def apply(image: Images) -> Images:
        low = image.min(axis=(0, 1)).astype(np.float64)
        span = np.maximum(image.max(axis=(0, 1)) - low, 1.0)
        matrix = np.zeros((3, 4))
        np.fill_diagonal(matrix, 255 / span)
        matrix[:, 3] = -low * 255 / span
        return np.asarray(cv2.transform(image, matrix), np.uint8)

    return Change(apply)


def hole(top: int, left: int, bottom: int, right: int) -> Change:
    """One rectangle of one colour. DeVries and Taylor, Improved Regularization of CNNs with Cutout, 2017."""

    def apply(image: Images) -> Images:
        changed = image.copy()
        changed[top:bottom, left:right] = FILL
        return changed

    return Change(apply)


def _looked_up(image: Images, table: Images) -> Images:
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _as_pixels(values: NDArray[Any]) -> Images:
    clipped: Images = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return clipped

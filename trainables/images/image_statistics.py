"""Simple numbers of one decoded image: brightness, colour, edges. Their meanings: core.image_measures.

Kinds and formulas are those of cleanvision (github.com/cleanlab/cleanvision, 0.3), for one grey histogram.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainables.images.pixels import Images

MOST, FEW = 512, 64  # pixels of the longest side that brightness and fine edges, and that edges are taken of
_PERCENTS = np.array([1, 5, 10, 50, 90, 95, 99])
_EDGES = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32)
_WEIGHTS = np.array([0.241, 0.691, 0.068], np.float32)  # of R^2, G^2, B^2 in perceived brightness
Grey = NDArray[np.uint8]


def statistics_of(pixels: Images) -> tuple[list[float], Grey]:
    """Of RGB (H, W, 3), the values from "brightness" to "histogram_std" of STATISTICS, in its order; and the
    picture in grey at no more than 512 pixels a side."""
    seen = at_most(pixels, MOST)
    grey = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY)
    few = at_most(grey, FEW)
    values = [
        *_brightness(seen),
        _colour(seen),
        _entropy(grey),
        _edges(few),
        _edges(grey),
        _shares(few).std(),
    ]
    return [float(value) for value in values], grey


def square(grey: Grey, side: int) -> Grey:
    """(side, side): pixels are averaged when shrinking and interpolated when enlarging."""
    shrinks = min(grey.shape) >= side
    return np.asarray(
        cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR),
        np.uint8,
    )


def at_most(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """In its proportions, no side longer than that; averaged."""
    height, width = pixels.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return pixels
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _brightness(pixels: Images) -> list[float]:
    """Mean, the _PERCENTS, standard deviation; perceived, 0 to 1."""
    squares = cv2.transform(np.square(pixels, dtype=np.float32), _WEIGHTS[None])
    levels = np.sqrt(squares)
    counts = np.bincount(np.rint(levels).astype(np.uint8).ravel(), minlength=256)
    places = np.searchsorted(np.cumsum(counts), _PERCENTS / 100 * levels.size)
    mean, deviation = cv2.meanStdDev(levels)
    return [mean[0, 0] / 255, *(places / 255), deviation[0, 0] / 255]


def _colour(pixels: Images) -> float:
    red, green, blue = cv2.split(pixels)
    high, low = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return float(cv2.mean(cv2.subtract(high, low))[0])


def _shares(grey: Grey) -> NDArray[np.float64]:
    """(256,) of the pixels, at each level."""
    return np.bincount(grey.ravel(), minlength=256) / grey.size


def _entropy(grey: Grey) -> float:
    shares = _shares(grey)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _edges(grey: Grey) -> float:
    """Standard deviation of the edges, cut to 0 to 255 as Pillow's FIND_EDGES does."""
    edges = cv2.filter2D(grey, cv2.CV_8U, _EDGES, borderType=cv2.BORDER_REPLICATE)
    return float(cv2.meanStdDev(edges)[1][0, 0])

"""A picture painted in face units: (0, 0) between the nose's root and its tip, (0, 1) the chin, y down."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Colour = tuple[float, float, float]
"""Blue, green, red in [0, 255]."""
Points = NDArray[np.float64]
_SCALE = 2  # painted at twice the size; with anti-aliased edges that is smooth enough
_FRACTION = 4  # bits below the pixel in cv2's fixed-point coordinates
UNIT = 0.335  # length of a face unit as a share of the picture's side


class Canvas:
    """size: side of the finished picture in pixels; the pose turns, scales and shifts the face."""

    def __init__(
        self, size: int, turn: float = 0.0, zoom: float = 1.0, shift: tuple[float, float] = (0, 0)
    ) -> None:
        self.size = size
        self.side = size * _SCALE
        self.pixels = np.zeros((self.side, self.side, 3), np.uint8)
        unit = self.side * UNIT * zoom
        cos, sin = np.cos(turn) * unit, np.sin(turn) * unit
        self._matrix = np.array([[cos, -sin], [sin, cos]])
        self._origin = self.side * (np.array([0.5, 0.53]) + np.asarray(shift))
        self._unit = unit

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        cv2.fillPoly(self.pixels, [self._fixed(points)], colour, cv2.LINE_AA, _FRACTION)

    def line(self, points: ArrayLike, colour: Colour, width: float, closed: bool = False) -> None:
        """width in face units."""
        thickness = max(1, round(width * self._unit))
        cv2.polylines(self.pixels, [self._fixed(points)], closed, colour, thickness, cv2.LINE_AA, _FRACTION)

    def ellipse(
        self, centre: Sequence[float], radii: Sequence[float], colour: Colour, tilt: float = 0
    ) -> None:
        self.polygon(ellipse(centre, radii, tilt), colour)

    def grid(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Face coordinates (x, y), each (size, size), of the finished picture's pixels."""
        rows, columns = _pixel_centres(self.size)
        inverse = np.linalg.inv(self._matrix).astype(np.float32)
        x, y = columns - np.float32(self._origin[0]), rows - np.float32(self._origin[1])
        return inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y

    def multiply(self, factor: NDArray[np.float32]) -> None:
        """Darkens or lightens softly: factor (size, size) >= 0."""
        fine = cv2.resize(factor, (self.side, self.side), interpolation=cv2.INTER_LINEAR)
        self.pixels = np.asarray(np.minimum(self.pixels * fine[..., None], 255), dtype=np.uint8)

    def finished(self) -> NDArray[np.uint8]:
        """(size, size, 3), blue first."""
        small = cv2.resize(self.pixels, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.uint8)

    def _fixed(self, points: ArrayLike) -> NDArray[np.int32]:
        placed = np.asarray(points, dtype=np.float64) @ self._matrix.T + self._origin
        return np.asarray(np.round(placed * (1 << _FRACTION)), dtype=np.int32)


def ellipse(centre: Sequence[float], radii: Sequence[float], tilt: float = 0, count: int = 36) -> Points:
    """Points (count, 2) of an ellipse turned by `tilt` radians."""
    return arc(centre, radii, 0, 2 * np.pi, tilt, count)


def arc(
    centre: Sequence[float],
    radii: Sequence[float],
    start: float,
    end: float,
    tilt: float = 0,
    count: int = 14,
) -> Points:
    """Points (count, 2) of a piece of an ellipse; angles in radians, clockwise from the right."""
    cosines, sines = _directions(start, end, count)
    x, y = radii[0] * cosines, radii[1] * sines
    turned = np.stack([x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)], axis=1)
    return np.asarray(turned + np.asarray(centre), dtype=np.float64)


@lru_cache(maxsize=256)
def _directions(start: float, end: float, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angles = np.linspace(start, end, count)
    return np.cos(angles), np.sin(angles)


@lru_cache(maxsize=4)
def _pixel_centres(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows and columns, each (size, size), in the pixels of the larger canvas."""
    rows, columns = (np.indices((size, size), dtype=np.float32) + 0.5) * _SCALE
    return rows, columns


def mirrored(points: Points, side: int) -> Points:
    """The same points on the side given: -1 left, 1 right."""
    return np.asarray(points * np.array([side, 1.0]), dtype=np.float64)


def shaded(colour: Colour, factor: float) -> Colour:
    """Lighter or darker."""
    blue, green, red = (min(max(part * factor, 0.0), 255.0) for part in colour)
    return (blue, green, red)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second, the rest of the first."""
    blue, green, red = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return (blue, green, red)

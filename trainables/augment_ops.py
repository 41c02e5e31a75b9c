"""What a drawn step does to an image, in three kinds of which neighbours melt into one.

Moves are 3 x 3 matrices: neighbours become one warp, so that an image is interpolated once. Colours are 3 x 4
matrices: neighbours become one, without clipping in between. All other steps are functions of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Matrix = NDArray[np.float64]
GREY = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in luma, ITU-R BT.601: those of PIL, OpenCV and torchvision."""


@dataclass(frozen=True)
class Move:
    """matrix (3, 3): where a pixel (x, y, 1) goes."""

    matrix: Matrix


@dataclass(frozen=True)
class Colour:
    """matrix (3, 4) of RGB from the mean RGB (3,) of the image as it comes to this step."""

    matrix: Callable[[Matrix], Matrix]
    uses_mean: bool = False


@dataclass(frozen=True)
class Change:
    """apply: image (H, W, 3) uint8 -> the same shape, a new array."""

    apply: Callable[[Images], Images]


Op = Move | Colour | Change


def apply_ops(image: Images, ops: Iterable[Op]) -> Images:
    """The image (H, W, 3) uint8 after every step, in order; the same shape, perhaps the same array."""
    moves: list[Move] = []
    colours: list[Colour] = []
    for op in ops:
        if isinstance(op, Move):
            image, colours = _colour(image, colours), []
            moves.append(op)
            continue
        image, moves = _move(image, moves), []
        if isinstance(op, Colour):
            colours.append(op)
        else:
            image, colours = op.apply(_colour(image, colours)), []
    return _colour(_move(image, moves), colours)


# ---- moves ----------------------------------------------------------------------------------------


def _move(image: Images, moves: list[Move]) -> Images:
    """One warp for all of them; what leaves the picture is filled by its mirror image."""
    if not moves:
        return image
    matrix = moves[0].matrix
    for move in moves[1:]:
        matrix = move.matrix @ matrix
    height, width = image.shape[:2]
    mirrored = _MIRRORS.get((float(matrix[0, 0]), float(matrix[1, 1])))
    if mirrored is not None and np.array_equal(matrix, mirror(mirrored[0], mirrored[1], height, width)):
        return _mirrored(image, *mirrored)
    # A border of one colour would tell the network that an image was moved.
    border = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REFLECT_101}
    if matrix[2, 0] == matrix[2, 1] == 0.0:
        return np.asarray(cv2.warpAffine(image, matrix[:2], (width, height), **border), np.uint8)
    return np.asarray(cv2.warpPerspective(image, matrix, (width, height), **border), np.uint8)


_MIRRORS = {(x, y): (x < 0, y < 0) for x in (1.0, -1.0) for y in (1.0, -1.0)}


def _mirrored(image: Images, across: bool, down: bool) -> Images:
    if not (across or down):
        return image
    return np.asarray(cv2.flip(image, -1 if across and down else int(across)), np.uint8)


def mirror(across: bool, down: bool, height: int, width: int) -> Matrix:
    """Left to right, top to bottom."""
    matrix = np.eye(3)
    if across:
        matrix[0, 0], matrix[0, 2] = -1.0, width - 1.0
    if down:
        matrix[1, 1], matrix[1, 2] = -1.0, height - 1.0
    return matrix


def affine(
    height: int,
    width: int,
    degrees: float = 0.0,
    size: float = 1.0,
    x: float = 0.0,
    y: float = 0.0,
    shear_x: float = 0.0,
    shear_y: float = 0.0,
) -> Matrix:
    """Sheared, sized and turned about the middle, then shifted. x, y: pixels; shear: degrees."""
    turn = math.radians(degrees)
    cos, sin = size * math.cos(turn), size * math.sin(turn)
    a, b = math.tan(math.radians(shear_x)), math.tan(math.radians(shear_y))
    m00, m01 = cos - sin * b, cos * a - sin
    m10, m11 = sin + cos * b, sin * a + cos
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    return np.array(
        [
            [m00, m01, middle_x + x - m00 * middle_x - m01 * middle_y],
            [m10, m11, middle_y + y - m10 * middle_x - m11 * middle_y],
            [0.0, 0.0, 1.0],
        ]
    )


def crop(height: int, width: int, top: float, left: float, part_height: float, part_width: float) -> Matrix:
    """Blows the part (in pixels) up to the whole; pixel edges map to pixel edges."""
    across, down = width / part_width, height / part_height
    return np.array(
        [
            [across, 0.0, (0.5 - left) * across - 0.5],
            [0.0, down, (0.5 - top) * down - 0.5],
            [0.0, 0.0, 1.0],
        ]
    )


def perspective(height: int, width: int, inwards: NDArray[np.float64]) -> Matrix:
    """Blows the quadrilateral up to the whole whose corners lie this share of the sides inside.

    inwards (4, 2) in [0, 0.5): top left, top right, bottom right, bottom left; x, y.
    """
    whole = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    sides = np.array([width - 1, height - 1])
    corners = (whole + inwards * (1 - 2 * whole)) * sides
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), (whole * sides).astype(np.float32))
    return np.asarray(matrix, np.float64)


# ---- colours --------------------------------------------------------------------------------------


def _colour(image: Images, colours: list[Colour]) -> Images:
    """One matrix for all of them, rounded and clipped once."""
    if not colours:
        return image
    mean = np.zeros(3)
    if any(colour.uses_mean for colour in colours):
        mean = np.array(cv2.mean(image)[:3])
    whole = np.eye(3, 4)
    for colour in colours:
        matrix = colour.matrix(mean)
        mean = matrix[:, :3] @ mean + matrix[:, 3]
        whole = matrix[:, :3] @ whole
        whole[:, 3] += matrix[:, 3]
    return np.asarray(cv2.transform(image, whole), np.uint8)


def scaled(factor: float, offset: float = 0.0) -> Colour:
    """factor * pixel + offset (of 255)."""
    matrix = np.eye(3, 4) * factor
    matrix[:, 3] = offset
    return Colour(lambda mean: matrix)


def contrast(factor: float) -> Colour:
    """Away from the image's mean grey (above 1) or towards it, as torchvision and PIL do."""

    def matrix(mean: Matrix) -> Matrix:
        made = np.eye(3, 4) * factor
        made[:, 3] = (1 - factor) * float(GREY @ mean)
        return made

    return Colour(matrix, uses_mean=True)


def saturation(factor: float) -> Colour:
    """Away from each pixel's own grey, or towards it; 0 is a grey image."""
    matrix = np.eye(3, 4) * factor
    matrix[:, :3] += (1 - factor) * GREY
    return Colour(lambda mean: matrix)


_TO_YIQ = np.array([GREY, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def hue(turn: float) -> Colour:
    """Turns colours about the grey axis of YIQ, in which greys stay; turn: share of the circle."""
    cos, sin = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    matrix = np.zeros((3, 4))
    matrix[:, :3] = _FROM_YIQ @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _TO_YIQ
    return Colour(lambda mean: matrix)

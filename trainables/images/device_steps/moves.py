"""Draws of the steps that move pixels. Angles in degrees, shifts as shares of the sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainables.images.device_steps import sampling
from trainables.images.device_steps.ops import Op, Rows, Shape

Numbers = NDArray[np.float64]
_ATTEMPTS = 10  # at a crop that fits; then the middle of the image


def flip(shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    return [Op(sampling.mirror_x, rows)]


def vflip(shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    return [Op(sampling.mirror_y, rows)]


@dataclass(frozen=True)
class Limits:
    """Each is drawn evenly up to it, both ways."""

    degrees: float = 0.0
    zoom: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    shear_x: float = 0.0
    shear_y: float = 0.0


def affine(
    shape: Shape,
    rows: Rows,
    rng: np.random.Generator,
    degrees: float = 0.0,
    shift: float = 0.0,
    zoom: float = 0.0,
    shear: float = 0.0,
) -> list[Op]:
    return moved(shape, rows, rng, Limits(degrees, zoom, shift, shift, shear, shear))


def moved(shape: Shape, rows: Rows, rng: np.random.Generator, limits: Limits) -> list[Op]:
    height, width = shape
    turn, zoom, x, y, shear_x, shear_y = (
        rng.uniform(-limit, limit, len(rows))
        for limit in (
            limits.degrees,
            limits.zoom,
            limits.shift_x,
            limits.shift_y,
            limits.shear_x,
            limits.shear_y,
        )
    )
    # to whole pixels towards 0, as albumentations does
    matrix = affine_matrix(shape, turn, 1 + zoom, np.trunc(x * width), np.trunc(y * height), shear_x, shear_y)
    return [_warp(shape, rows, matrix)]


def _warp(shape: Shape, rows: Rows, matrix: Numbers) -> Op:
    inverse = sampling.normalised(np.linalg.inv(matrix), shape)
    return Op(sampling.warp, rows, {"inverse": inverse.astype(np.float32)})


def affine_matrix(
    shape: Shape, turn: Numbers, scale: Numbers, x: Numbers, y: Numbers, shear_x: Numbers, shear_y: Numbers
) -> Numbers:
    """(n, 3, 3), from a pixel to where it goes: zoomed, turned, sheared about the middle, then shifted.

    turn, shear_x, shear_y: degrees; x, y: pixels; each (n,).
    """
    centre_x, centre_y = shape[1] / 2 - 0.5, shape[0] / 2 - 0.5
    one = np.ones_like(turn)
    sin, cos = np.sin(np.deg2rad(turn)), np.cos(np.deg2rad(turn))
    turned = _matrix([[cos * scale, sin * scale], [-sin * scale, cos * scale]])
    sheared = _matrix([[one, np.tan(np.deg2rad(shear_x))], [np.tan(np.deg2rad(shear_y)), one]])
    matrix = np.tile(np.eye(3), (len(turn), 1, 1))
    matrix[:, :2, :2] = sheared @ turned
    centre = np.array([centre_x, centre_y])
    matrix[:, :2, 2] = np.stack([x, y], axis=-1) + centre - matrix[:, :2, :2] @ centre
    return matrix


def _matrix(entries: list[list[Numbers]]) -> Numbers:
    return np.stack([np.stack(row, axis=-1) for row in entries], axis=-2)


# ---- perspective ------------------------------------------------------------------------------------


def perspective(shape: Shape, rows: Rows, rng: np.random.Generator, scale: float) -> list[Op]:
    spread = rng.uniform(0.0, scale, len(rows))
    share = np.abs(rng.normal(0.0, 1.0, (len(rows), 4, 2)) * spread[:, None, None]) % 0.32
    return [_warp(shape, rows, perspective_matrix(shape, share))]


def perspective_matrix(shape: Shape, share: Numbers) -> Numbers:
    """share (n, 4, 2) -> (n, 3, 3), from a pixel to where it goes.

    share: how far inside the top left, top right, bottom right and bottom left corner lie the points that
    become the corners, as shares of the width and height.

    As albumentations' Perspective(keep_size=True), for images whose sides are 6 pixels or more.
    """
    height, width = shape
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    points = np.where(corners == 1, 1 - share, share) * np.array([width, height])
    top_left, top_right, bottom_right, bottom_left = np.moveaxis(points, 1, 0)
    wide = np.maximum(_distance(top_right, top_left), _distance(bottom_right, bottom_left))
    high = np.maximum(_distance(bottom_right, top_right), _distance(bottom_left, top_left))
    matrix = _homography(points, corners * np.array([width, height]))
    matrix[:, 0] *= (width / np.trunc(wide))[:, None]
    matrix[:, 1] *= (height / np.trunc(high))[:, None]
    return matrix


def _distance(one: Numbers, other: Numbers) -> Numbers:
    length: Numbers = np.linalg.norm(one - other, axis=-1)
    return np.maximum(length, 2.0)


def _homography(points: Numbers, goals: NDArray[np.float64]) -> Numbers:
    """The (n, 3, 3) that take 4 points (n, 4, 2) to 4 goals (4, 2): 8 equations in 8 unknowns."""
    x, y = points[..., 0], points[..., 1]
    zero, one = np.zeros_like(x), np.ones_like(x)
    goal_x, goal_y = np.broadcast_to(goals[:, 0], x.shape), np.broadcast_to(goals[:, 1], x.shape)
    to_x = np.stack([x, y, one, zero, zero, zero, -x * goal_x, -y * goal_x], axis=-1)
    to_y = np.stack([zero, zero, zero, x, y, one, -x * goal_y, -y * goal_y], axis=-1)
    sides = np.concatenate([goal_x, goal_y], axis=1)[..., None]
    solved = np.linalg.solve(np.concatenate([to_x, to_y], axis=1), sides)[..., 0]
    return np.concatenate([solved, np.ones((len(points), 1))], axis=1).reshape(-1, 3, 3)


# ---- crops ------------------------------------------------------------------------------------------


def random_resized_crop(
    shape: Shape, rows: Rows, rng: np.random.Generator, min_scale: float, stretch: float
) -> list[Op]:
    height, width = shape
    box = np.tile(np.array([0, 0, width, height], np.float32), (len(rows), 1))
    waiting = np.arange(len(rows))
    for _ in range(_ATTEMPTS):
        wide, high = _sides(shape, len(waiting), rng, min_scale, stretch)
        fits = (wide > 0) & (wide <= width) & (high > 0) & (high <= height)
        wide, high, fitting = wide[fits], high[fits], waiting[fits]
        left = np.floor((width - wide + 1) * rng.random(len(fitting)))
        top = np.floor((height - high + 1) * rng.random(len(fitting)))
        box[fitting] = np.stack([left, top, wide, high], axis=-1)
        waiting = waiting[~fits]
    return [Op(sampling.crop, rows, {"box": box})]


def _sides(
    shape: Shape, count: int, rng: np.random.Generator, min_scale: float, stretch: float
) -> tuple[Numbers, Numbers]:
    """Widths and heights of parts, in whole pixels."""
    height, width = shape
    area = rng.uniform(min_scale, 1.0, count) * height * width
    ratio = width / height * np.exp(rng.uniform(-np.log(stretch), np.log(stretch), count))
    return np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))

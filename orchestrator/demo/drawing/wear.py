"""What surrounds a face: background, clothes, hair, glasses and the mask."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.demo.drawing.canvas import Canvas, Points, arc, ellipse, mixed, shaded
from orchestrator.demo.drawing.people import Person, Photo

_LONG = ("bob", "long")


def paint_background(canvas: Canvas, person: Person) -> None:
    """A gradient between two colours with something on it; it stays in place while the head moves."""
    coarse = _background(person, canvas.size)
    canvas.pixels = cv2.resize(coarse, (canvas.side, canvas.side), interpolation=cv2.INTER_LINEAR)


@lru_cache(maxsize=2)
def _background(person: Person, size: int) -> NDArray[np.uint8]:
    here, there = (np.array(colour, np.float32) for colour in person.background)
    rows, columns = np.indices((size, size), dtype=np.float32) / size
    along = np.cos(person.background_angle) * columns + np.sin(person.background_angle) * rows
    if person.background_kind == "stripes":
        share = 0.5 + 0.5 * np.sin(along * 40)
    elif person.background_kind == "blobs":
        share = 0.5 + 0.25 * (np.sin(columns * 17 + person.marks % 7) + np.sin(rows * 19 + person.marks % 5))
    elif person.background_kind == "halves":
        share = 1 / (1 + np.exp(-(along - along.mean()) * 60))
    else:
        share = (along - along.min()) / np.ptp(along)
    strength = 0.35 if person.background_kind in ("stripes", "blobs") else 1.0
    picture = np.clip(here + (there - here) * (share * strength)[..., None], 0, 255)
    return np.asarray(picture, dtype=np.uint8)


def paint_clothes(canvas: Canvas, person: Person) -> None:
    neck = person.jaw * 0.62
    canvas.polygon(
        [(-neck, 0.5), (neck, 0.5), (neck * 1.05, 1.6), (-neck * 1.05, 1.6)], shaded(person.skin, 0.82)
    )
    shoulders = [(-neck * 1.1, 1.16), (-1.5, 1.42), (-1.9, 2.4), (1.9, 2.4), (1.5, 1.42), (neck * 1.1, 1.16)]
    dip = 1.2 + 0.3 * person.collar
    canvas.polygon([*shoulders, (0, dip)], person.clothes)
    canvas.line([shoulders[0], (0, dip), shoulders[-1]], shaded(person.clothes, 0.7), 0.04)


def paint_hair_behind(canvas: Canvas, person: Person) -> None:
    """What hangs behind the head; the top comes later."""
    if person.hair_style in _LONG:
        end = 0.62 if person.hair_style == "bob" else 1.55
        width = person.face_width + 0.20
        sides = [(width, -0.3), (width * 1.03, end), (-width * 1.03, end), (-width, -0.3)]
        canvas.polygon(
            np.vstack([arc((0, -0.3), (width, 0.86), np.pi, 2 * np.pi), sides]), shaded(person.hair, 0.8)
        )
    elif person.hair_style == "curly":
        for x, y, radius in _curls(person, 16, -0.42):
            canvas.ellipse((x, y), (radius, radius), shaded(person.hair, 0.85))


def paint_hair(canvas: Canvas, person: Person) -> None:
    """The cap of hair over the forehead; styles differ in how low and how even its edge is."""
    if person.hair_style == "bald":
        return
    width = person.face_width + 0.055
    top = arc((0, -0.34), (width, 0.84), np.pi * 1.02, np.pi * 1.98, count=24)
    canvas.polygon(np.vstack([top, _hairline(person, width)]), person.hair)
    if person.hair_style == "curly":
        for x, y, radius in _curls(person, 13, -0.66):
            canvas.ellipse((x, y), (radius, radius), shaded(person.hair, 0.95))
    streak = arc((0, -0.34), (width * 0.82, 0.72), np.pi * 1.2, np.pi * 1.55)
    canvas.line(streak, mixed(person.hair, (255, 255, 255), 0.22), 0.03)


def _hairline(person: Person, width: float) -> Points:
    """From the right temple to the left one."""
    low = {"crop": -0.74, "parted": -0.70, "fringe": -0.58, "curly": -0.72, "bob": -0.70, "long": -0.72}
    y = low[person.hair_style]
    temple = -0.28 if person.hair_style in _LONG else -0.40
    if person.hair_style in ("parted", "bob"):
        inner = [(0.52, y), (0.05, y - 0.04), (-0.30, y - 0.16), (-0.52, y - 0.02)]
    elif person.hair_style == "fringe":
        inner = [
            (x, y + (0.03 if place % 2 else -0.03)) for place, x in enumerate(np.linspace(0.56, -0.56, 9))
        ]
    else:
        inner = [(0.56, y + 0.10), (0.30, y), (0.0, y - 0.02), (-0.30, y), (-0.56, y + 0.10)]
    return np.array(
        [(width, temple), (width - 0.10, temple), *inner, (-width + 0.10, temple), (-width, temple)]
    )


def _curls(person: Person, count: int, middle: float) -> list[tuple[float, float, float]]:
    rng = np.random.default_rng(person.marks)
    angles = np.linspace(np.pi * 1.0, np.pi * 2.0, count)
    return [
        (
            float((person.face_width + 0.02) * np.cos(angle)),
            float(middle + 0.52 * np.sin(angle)),
            float(rng.uniform(0.13, 0.20)),
        )
        for angle in angles
    ]


def paint_glasses(canvas: Canvas, person: Person) -> None:
    if person.glasses is None:
        return
    colour, roundness = person.glasses
    angles = np.linspace(0, 2 * np.pi, 32)
    power = 2 / roundness  # a superellipse: 2 is round, 4 nearly a rectangle
    rim = np.stack(
        [
            0.205 * np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power,
            0.150 * np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power,
        ],
        axis=1,
    )
    for side in (-1, 1):
        canvas.line(rim + np.array([side * person.eye_distance, -0.055]), colour, 0.026, closed=True)
        outer = person.eye_distance + 0.205
        canvas.line([(side * outer, -0.08), (side * person.face_width, -0.12)], colour, 0.026)
    canvas.line(arc((0, -0.06), (person.eye_distance - 0.205, 0.04), np.pi, 2 * np.pi), colour, 0.026)


# ---- masks ----------------------------------------------------------------------------------------


def paint_mask(canvas: Canvas, person: Person, photo: Photo) -> None:
    """Worn: nose and mouth covered. Wrong: the nose is free, or the mask hangs at the chin."""
    if photo.wearing == "none":
        return
    top, bottom = _mask_edges(photo)
    outline = _mask_outline(person, photo, top, bottom)
    for side in (-1, 1):
        ear = (side * (person.face_width + 0.03), 0.02)
        for start in (top + 0.10, bottom - 0.16):
            canvas.line([ear, (side * (person.jaw - 0.02), start)], shaded(photo.mask_colour, 0.86), 0.022)
    canvas.polygon(outline, photo.mask_colour)
    canvas.line(outline, shaded(photo.mask_colour, 0.80), 0.022, closed=True)
    _mask_details(canvas, person, photo, top, bottom)


def _mask_edges(photo: Photo) -> tuple[float, float]:
    if photo.wearing == "worn":
        return 0.14 + photo.mask_shift, 1.03
    hanging = photo.noise_seed % 5 < 2
    return (0.70 if hanging else 0.40) + photo.mask_shift, 1.10


def _mask_outline(person: Person, photo: Photo, top: float, bottom: float) -> Points:
    """Clockwise from the upper left; a worn mask rises over the nose."""
    wide = min(person.face_width, person.jaw + 0.02) if top < 0.5 else person.jaw * 0.92
    rise = 0.10 if photo.mask_kind == "respirator" else 0.05
    upper = [
        (-wide, top + 0.10),
        (-0.30, top + 0.03),
        (0, top - rise),
        (0.30, top + 0.03),
        (wide, top + 0.10),
    ]
    lower = [
        (person.jaw * 0.80, bottom - 0.22),
        (0.30, bottom),
        (-0.30, bottom),
        (-person.jaw * 0.80, bottom - 0.22),
    ]
    return np.array(upper + lower)


def _mask_details(canvas: Canvas, person: Person, photo: Photo, top: float, bottom: float) -> None:
    dark, height = shaded(photo.mask_colour, 0.86), bottom - top
    if photo.mask_kind == "surgical":
        for share in (0.34, 0.54, 0.74):
            y = top + share * height
            canvas.line([(-person.jaw * 0.80, y), (0, y + 0.03), (person.jaw * 0.80, y)], dark, 0.018)
    elif photo.mask_kind == "respirator":
        canvas.line([(0, top - 0.08), (0.03, top + 0.5 * height), (0, bottom)], dark, 0.026)
    else:
        dots = mixed(photo.mask_colour, (255, 255, 255), 0.45)
        for x in (-0.40, -0.13, 0.13, 0.40):
            for share in (0.40, 0.66):
                canvas.polygon(ellipse((x, top + share * height), (0.035, 0.035), count=10), dots)

"""A photo of a person: features, the signs of age, light and noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.demo.drawing import wear
from orchestrator.demo.drawing.canvas import Canvas, Colour, Points, arc, mirrored, mixed, shaded
from orchestrator.demo.drawing.people import Person, Photo

_SIDES = (-1, 1)
_EYE_Y = -0.055


def paint(person: Person, photo: Photo, size: int) -> NDArray[np.uint8]:
    """The photo, (size, size, 3) uint8, blue first. The same bytes for the same records."""
    canvas = Canvas(size, photo.turn, photo.zoom, photo.shift)
    wear.paint_background(canvas, person)
    wear.paint_hair_behind(canvas, person)
    wear.paint_clothes(canvas, person)
    _paint_head(canvas, person)
    _paint_wrinkles(canvas, person, photo)
    _shade(canvas, person, photo)
    _paint_eyes(canvas, person, photo)
    _paint_nose(canvas, person)
    _paint_mouth(canvas, person, photo)
    wear.paint_hair(canvas, person)
    wear.paint_glasses(canvas, person)
    wear.paint_mask(canvas, person, photo)
    return _exposed(canvas.finished(), photo)


def _strength(apparent_age: float, begins: float, complete: float) -> float:
    return float(np.clip((apparent_age - begins) / (complete - begins), 0, 1))


# ---- head -----------------------------------------------------------------------------------------


def _outline(person: Person) -> Points:
    """The head without hair, from the left ear over the skull and round the chin."""
    skull = arc((0, -0.2), (person.face_width, 0.82), np.pi, 2 * np.pi, count=24)
    jaw = [(person.face_width * 0.99, 0.10), (person.jaw, 0.50), (person.jaw * 0.72, 0.80), (0.22, 0.99)]
    right = np.array(jaw)
    return np.vstack([skull, right, mirrored(right, -1)[::-1]])


def _paint_head(canvas: Canvas, person: Person) -> None:
    for side in _SIDES:
        ear = (side * (person.face_width + 0.02), 0.02)
        canvas.ellipse(ear, (0.10, 0.18), shaded(person.skin, 0.92))
        canvas.ellipse(ear, (0.05, 0.11), shaded(person.skin, 0.80))
    canvas.polygon(_outline(person), person.skin)
    if person.stubble > 0:
        outer = [
            (person.jaw * 0.99, 0.30),
            (person.jaw * 0.97, 0.48),
            (person.jaw * 0.71, 0.79),
            (0.22, 0.98),
        ]
        inner = [(0.0, 0.38), (0.20, 0.40), (0.34, 0.52), (person.jaw * 0.78, 0.40)]
        right = np.array(inner + outer)
        chin = np.vstack([right, mirrored(right, -1)[::-1]])
        canvas.polygon(chin, mixed(person.skin, (70, 66, 64), 0.10 + 0.16 * person.stubble))


# ---- age ------------------------------------------------------------------------------------------


def _crease(person: Person, strength: float, photo: Photo) -> Colour:
    return shaded(person.skin, 1 - 0.44 * min(1.0, strength * photo.contrast))


def _paint_wrinkles(canvas: Canvas, person: Person, photo: Photo) -> None:
    rng = np.random.default_rng(person.marks)
    _paint_forehead(canvas, person, photo, rng)
    _paint_frown(canvas, person, photo)
    _paint_crows_feet(canvas, person, photo, rng)
    _paint_folds(canvas, person, photo)
    _paint_spots(canvas, person, rng)


def _paint_forehead(canvas: Canvas, person: Person, photo: Photo, rng: np.random.Generator) -> None:
    strength = _strength(person.ageing.forehead, 24, 66)
    lines = [(-0.34, 0.0), (-0.43, 0.18), (-0.52, 0.45)]  # height, strength from which it shows
    for y, begins in lines:
        wave = rng.normal(0, 0.012, 9)
        reach = 0.34 + 0.10 * strength
        x = np.linspace(-reach, reach, 9)
        shown = (strength - begins) / (1 - begins)
        if shown > 0.03:
            points = np.stack([x, y + photo.brow_raise + 0.10 * x**2 + wave], axis=1)
            canvas.line(points, _crease(person, 0.25 + 0.75 * shown, photo), 0.022 + 0.010 * shown)


def _paint_frown(canvas: Canvas, person: Person, photo: Photo) -> None:
    strength = _strength(person.ageing.frown, 30, 68)
    if strength > 0.05:
        for side in _SIDES:
            points = mirrored(np.array([(0.055, -0.24), (0.045, -0.16), (0.06, -0.10)]), side)
            canvas.line(points, _crease(person, strength, photo), 0.022)


def _paint_crows_feet(canvas: Canvas, person: Person, photo: Photo, rng: np.random.Generator) -> None:
    strength = _strength(person.ageing.crows_feet, 26, 66)
    corner = person.eye_distance + 0.17
    for side in _SIDES:
        for slope in (-0.55, 0.0, 0.5)[: 1 + round(2 * strength)]:
            length = (0.06 + 0.13 * strength) * rng.uniform(0.8, 1.2)
            points = np.array([(corner, _EYE_Y), (corner + length, _EYE_Y + slope * length)])
            if strength > 0.05:
                canvas.line(mirrored(points, side), _crease(person, 0.2 + 0.8 * strength, photo), 0.024)


def _paint_folds(canvas: Canvas, person: Person, photo: Photo) -> None:
    """From the nose to the corners of the mouth; under a mask they can't be seen."""
    strength = _strength(person.ageing.folds, 26, 66)
    if strength > 0.05:
        for side in _SIDES:
            points = mirrored(
                np.array([(0.15, 0.25), (0.22, 0.32), (0.28, 0.41), (0.32, 0.52), (0.33, 0.60)]), side
            )
            canvas.line(points, _crease(person, strength, photo), 0.024)


def _paint_spots(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    for _ in range(round(9 * _strength(person.ageing.spots, 48, 74))):
        place = (rng.uniform(-0.55, 0.55), rng.choice([rng.uniform(-0.66, -0.34), rng.uniform(0.1, 0.45)]))
        canvas.ellipse(place, (0.022, 0.022), shaded(person.skin, 0.76))


# ---- features -------------------------------------------------------------------------------------


def _paint_eyes(canvas: Canvas, person: Person, photo: Photo) -> None:
    ageing = person.ageing
    size = 1.14 - 0.30 * _strength(ageing.eye_size, 18, 72)
    droop = _strength(ageing.lids, 28, 70)
    wide, high = 0.150 * size, 0.082 * size * photo.eyes_open * (1 - 0.22 * droop)
    for side in _SIDES:
        centre = (side * person.eye_distance, _EYE_Y)
        canvas.ellipse(centre, (wide, high), (238, 240, 242), tilt=side * 0.10 * droop)
        iris = (centre[0] + photo.gaze, _EYE_Y)
        canvas.ellipse(iris, (high * 0.88, high * 0.92), person.iris)
        canvas.ellipse(iris, (high * 0.42, high * 0.45), (12, 12, 14))
        canvas.ellipse((iris[0] + 0.02, _EYE_Y - 0.025), (0.016, 0.016), (250, 250, 250))
        lid = arc(centre, (wide * 1.05, high * 1.05), np.pi, 2 * np.pi, tilt=side * 0.10 * droop)
        canvas.line(lid, shaded(person.skin, 0.42 - 0.2 * person.lashes), 0.022 + 0.028 * person.lashes)
        _paint_lashes(canvas, person, side, wide, high)
        fold = arc((centre[0], _EYE_Y - 0.03), (wide * 1.05, high * 1.1 + 0.03), np.pi * 1.1, np.pi * 1.9)
        canvas.line(fold, shaded(person.skin, 0.80 - 0.25 * droop), 0.018 + 0.020 * droop)
        _paint_brow(canvas, person, photo, side, droop)


def _paint_lashes(canvas: Canvas, person: Person, side: int, wide: float, high: float) -> None:
    if person.lashes > 0.45:
        for share in (0.72, 0.95):
            x = person.eye_distance + wide * share
            y = _EYE_Y - high * (1.05 - share)
            lash = np.array([(x, y), (x + 0.06 * person.lashes, y - 0.05 * person.lashes)])
            canvas.line(mirrored(lash, side), (18, 18, 20), 0.020)


def _paint_brow(canvas: Canvas, person: Person, photo: Photo, side: int, droop: float) -> None:
    y = -0.235 + photo.brow_raise + 0.035 * droop
    height = 0.045 + 0.03 * person.lashes
    x = person.eye_distance
    brow = np.array(
        [
            (x - 0.16, y + 0.015),
            (x - 0.02, y - height),
            (x + 0.10, y - height * 0.7),
            (x + 0.20, y + 0.02 + 0.03 * droop),
        ]
    )
    colour = mixed(person.hair, (30, 30, 34), 0.55)
    canvas.line(mirrored(brow, side), colour, person.brows * (1 - 0.25 * droop))


def _paint_nose(canvas: Canvas, person: Person) -> None:
    wide = 0.115 * person.nose
    dark = shaded(person.skin, 0.74)
    canvas.line([(0.06, -0.02), (0.075, 0.14), (wide, 0.26)], shaded(person.skin, 0.86), 0.026)
    canvas.line(arc((0, 0.25), (wide, 0.07), 0.15 * np.pi, 0.85 * np.pi), dark, 0.028)
    for side in _SIDES:
        canvas.ellipse((side * wide * 0.5, 0.285), (0.030, 0.018), shaded(person.skin, 0.5))


def _paint_mouth(canvas: Canvas, person: Person, photo: Photo) -> None:
    wide, full = 0.23 + 0.04 * photo.smile, 0.035 + 0.045 * person.lips
    y, curve = 0.58, 0.06 * photo.smile
    colour = mixed(shaded(person.skin, 0.80), (72, 62, 190), 0.15 + 0.45 * person.lips)
    x = np.linspace(-wide, wide, 11)
    bend = curve * (1 - 2 * (x / wide) ** 2)
    swell = np.sqrt(np.clip(1 - (x / wide) ** 2, 0, 1))
    upper = np.stack([x, y + bend - full * 0.8 * swell], axis=1)
    lower = np.stack([x, y + bend + full * 1.2 * swell], axis=1)
    canvas.polygon(np.vstack([upper, lower[::-1]]), colour)
    canvas.line(np.stack([x, y + bend], axis=1), shaded(colour, 0.55), 0.022)


# ---- light ----------------------------------------------------------------------------------------


def _shade(canvas: Canvas, person: Person, photo: Photo) -> None:
    """Soft shadows of a round head, and the bags under the eyes."""
    x, y = canvas.grid()
    edge = (x / person.face_width) ** 2 + ((y - 0.05) / 1.0) ** 2
    inside = np.clip((1.5 - edge) / 0.4, 0, 1)  # the background has its own light
    factor = 1 + inside * (0.05 - 0.22 * np.clip(edge, 0, 1.1) ** 2)
    bags = _strength(person.ageing.eye_bags, 24, 68) * photo.contrast
    sockets = 0.06 * _bump(x, y, person.eye_distance, -0.12, 0.20, 0.10)
    under = 0.30 * bags * _bump(x, y, person.eye_distance, 0.085, 0.15, 0.035)
    cheeks = 0.05 * (1 - bags) * _bump(x, y, 0.42, 0.28, 0.16, 0.14)
    canvas.multiply((factor - sockets - under + cheeks).astype(np.float32))
    if bags > 0.05:
        for side in _SIDES:
            centre = (side * person.eye_distance, 0.02)
            line = arc(centre, (0.15, 0.055 + 0.03 * bags), 0.15 * np.pi, 0.85 * np.pi)
            canvas.line(line, shaded(person.skin, 1 - 0.42 * min(1.0, bags)), 0.022)


def _bump(
    x: NDArray[np.float32], y: NDArray[np.float32], at_x: float, at_y: float, wide: float, high: float
) -> NDArray[np.float32]:
    """A soft spot on both sides of the face, 1 in its middle."""
    bump: NDArray[np.float32] = np.exp(-(((np.abs(x) - at_x) / wide) ** 2) - ((y - at_y) / high) ** 2)
    return bump


def _exposed(picture: NDArray[np.uint8], photo: Photo) -> NDArray[np.uint8]:
    """Light from one side, its colour, a little blur and the sensor's noise."""
    rng = np.random.default_rng(photo.noise_seed)
    side = picture.shape[0]
    ramp = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    gain, across, down = photo.light
    light = gain * (1 + across * ramp[None, :] + down * ramp[:, None])
    lit = picture * (light[..., None] * np.array(photo.tint, np.float32))
    noisy = lit + 3.0 * rng.standard_normal(picture.shape, dtype=np.float32)
    clipped = np.clip(noisy, 0, 255).astype(np.uint8)
    blurred: NDArray[np.uint8] = cv2.GaussianBlur(clipped, (3, 3), float(rng.uniform(0.2, 0.55)))
    return blurred

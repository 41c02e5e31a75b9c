"""Small pictures that a tiny network learns in a few epochs: what they show is their labels alone."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def _hue(number: int, of: int) -> NDArray[np.float64]:
    """A colour (3,), blue first as OpenCV writes it, far from those of the other numbers."""
    return np.array(colorsys.hsv_to_rgb(number / of, 1.0, 1.0))[::-1] * 255


def draw(labels: Sequence[int], of: int, rng: np.random.Generator, size: int = 40) -> Picture:
    """Noise with a patch in the colour of each label, anywhere. labels: each in [0, of)."""
    height, width = size, size + int(rng.integers(0, 9))
    image = rng.normal(95, 22, (height, width, 3))
    for label in labels:
        side = size // 2 if len(labels) == 1 else size // 3
        y, x = rng.integers(0, height - side), rng.integers(0, width - side)
        image[y : y + side, x : x + side] = _hue(label, of) * 0.8 + rng.normal(20, 8, (side, side, 3))
    return image.clip(0, 255).astype(np.uint8)


def draw_grade(grade: int, of: int, rng: np.random.Generator, size: int = 40) -> Picture:
    """A disc that turns from green to red, with more bright spots, as the grade rises. grade: in [0, of)."""
    image = rng.normal(40, 10, (size, size, 3))
    share = grade / max(of - 1, 1)
    cv2.circle(image, (size // 2, size // 2), size // 2 - 2, (60.0, 210 - 190 * share, 20 + 190 * share), -1)
    for _ in range(12 * grade // max(of - 1, 1)):
        y, x = rng.integers(8, size - 8, 2)
        cv2.circle(image, (int(x), int(y)), 3, (200.0, 240.0, 250.0), -1)
    return (image + rng.normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8)


def save(path: Path, image: Picture) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, encoded = cv2.imencode(path.suffix, image)
    assert ok, path
    path.write_bytes(encoded.tobytes())

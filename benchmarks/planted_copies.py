"""Pictures drawn from a seed, and what people do to pictures before they keep a second copy.

Every function takes RGB pictures (H, W, 3) uint8 and gives such ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Copy = Callable[[Picture, np.random.Generator], Picture]


def scene(seed: int, height: int = 96, width: int = 128, shapes: int = 12) -> Picture:
    """A ramp of two colours under shapes, lines and grain; each seed gives another one."""
    rng = np.random.default_rng([seed, 7])
    ends = rng.uniform(0, 255, (2, 3))
    angle = rng.uniform(0, 2 * np.pi)
    across, down = np.meshgrid(np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height))
    share = np.clip(0.5 + across * np.cos(angle) + down * np.sin(angle), 0, 1)[..., None]
    picture = np.ascontiguousarray(ends[0] * share + ends[1] * (1 - share)).astype(np.uint8)
    for _ in range(shapes):
        colour = rng.uniform(0, 255, 3).tolist()
        corners = rng.uniform(0, 1, 2) + rng.uniform(-0.25, 0.25, (int(rng.integers(3, 7)), 2))
        points = np.rint(corners * (width, height)).astype(np.int32)
        cv2.fillPoly(picture, [cv2.convexHull(points)], colour, cv2.LINE_AA)
    noisy = picture + rng.normal(0, 4, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


# ---- kinds of copies ------------------------------------------------------------------------------


def resized(picture: Picture, rng: np.random.Generator) -> Picture:
    """To half to one and a half times its size."""
    height, width = picture.shape[:2]
    factor = rng.uniform(0.5, 1.5)
    size = max(8, round(width * factor)), max(8, round(height * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def jpeg_30(picture: Picture, rng: np.random.Generator) -> Picture:
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def cropped(picture: Picture, rng: np.random.Generator) -> Picture:
    """A tenth of each side is cut away, somewhere."""
    height, width = picture.shape[:2]
    rows, columns = round(0.9 * height), round(0.9 * width)
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    return picture[top : top + rows, left : left + columns]


def mirrored(picture: Picture, rng: np.random.Generator) -> Picture:
    return picture[:, ::-1]


def upside_down(picture: Picture, rng: np.random.Generator) -> Picture:
    return picture[::-1]


def quarter_turned(picture: Picture, rng: np.random.Generator) -> Picture:
    return np.rot90(picture)


def tilted(picture: Picture, rng: np.random.Generator) -> Picture:
    """By 5 degrees to either side; the corners repeat the edge."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.choice([-5, 5])), 1.0)
    return np.asarray(
        cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def relit(picture: Picture, rng: np.random.Generator) -> Picture:
    """Brighter or darker by 30%."""
    return np.clip(picture * float(rng.choice([0.7, 1.3])), 0, 255).astype(np.uint8)


def bordered(picture: Picture, rng: np.random.Generator) -> Picture:
    """A border of one colour, 5% of the longer side, around it."""
    wide = max(1, round(0.05 * max(picture.shape[:2])))
    colour = rng.choice([0, 128, 255])
    return np.pad(picture, ((wide, wide), (wide, wide), (0, 0)), constant_values=colour)


def watermarked(picture: Picture, rng: np.random.Generator) -> Picture:
    """White text of four fifths of the width over the lower half, half transparent."""
    height, width = picture.shape[:2]
    size = cv2.getTextSize("(c) sample", cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)[0][0]
    above = picture.copy()
    place = int(0.1 * width), int(rng.uniform(0.6, 0.9) * height)
    scale = 0.8 * width / size
    cv2.putText(above, "(c) sample", place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 2, cv2.LINE_AA)
    return np.asarray(cv2.addWeighted(picture, 0.5, above, 0.5, 0), np.uint8)


COPIES: Mapping[str, Copy] = {
    "resize": resized,
    "JPEG 30": jpeg_30,
    "crop 10%": cropped,
    "flip": mirrored,
    "upside down": upside_down,
    "quarter turn": quarter_turned,
    "5 degrees": tilted,
    "brightness 30%": relit,
    "border 5%": bordered,
    "watermark": watermarked,
}

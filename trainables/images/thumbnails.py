"""Small pictures of image files, for people: decoded as for training; what cannot be read is left out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from trainables.images.decode import decode
from trainables.images.file_kinds import UndecodableError
from trainables.images.image_digests import cores
from trainables.images.pixels import Images


def read_thumbnails(root: Path, paths: Sequence[str], side: int) -> list[Images | None]:
    """Each upright as (h, w, 3) uint8 RGB, its longer side at most `side` pixels; None: unreadable."""
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(lambda path: _thumbnail(root / path, side), paths))


def _thumbnail(path: Path, side: int) -> Images | None:
    try:
        pixels = decode(path.read_bytes()).pixels
    except (OSError, UndecodableError):
        return None
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)

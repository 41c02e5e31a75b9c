"""Small pictures as data URIs, so that a page is one file: as many as fit into so many bytes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress

Pixels = NDArray[np.uint8]
ReadThumbnails = Callable[[Sequence[int], int], Sequence[Pixels | None]]
"""Rows, and the longer side in pixels -> each image (h, w, 3) RGB, upright; None: it cannot be read."""

SIDE = 96  # pixels of the longer side
BYTES = 7_000_000  # of all data URIs of a page together
TINY = 40  # pixels of the longer side, up to which a page enlarges an image without smoothing it
_QUALITY = 82  # of JPEG: artefacts stay invisible at this size
_AT_ONCE = 64  # images read before progress is told


def thumbnail_uris(
    rows: Sequence[int],
    read: ReadThumbnails,
    progress: Progress | None = None,
    side: int = SIDE,
    budget: int = BYTES,
) -> dict[int, str]:
    """Row -> data URI, in the order of the rows until `budget` bytes are used; unreadable ones have none."""
    uris: dict[int, str] = {}
    used = 0
    for start in range(0, len(rows), _AT_ONCE):
        chunk = rows[start : start + _AT_ONCE]
        for row, pixels in zip(chunk, read(chunk, side), strict=True):
            if pixels is None:
                continue
            uri = data_uri(pixels)
            used += len(uri)
            if used > budget:
                return uris
            uris[row] = uri
        if progress is not None:
            progress(min(start + _AT_ONCE, len(rows)), len(rows))
    return uris


def data_uri(pixels: Pixels) -> str:
    """Of an image (h, w, 3) RGB, as JPEG; of a tiny one as PNG, by which the page knows it."""
    swapped = np.ascontiguousarray(pixels[..., ::-1])
    if max(pixels.shape[:2]) <= TINY:
        return _uri("png", cv2.imencode(".png", swapped)[1])
    return _uri("jpeg", cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])


def _uri(kind: str, data: NDArray[np.uint8]) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"

"""Small pictures of image files, for people: decoded as for training; what cannot be read is left out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator.core.cpu import cores
from trainables.images.decode import decode
from trainables.images.file_kinds import UndecodableError
from trainables.images.image_statistics import at_most
from trainables.images.pixels import Images
from trainables.images.reading import file_bytes


def read_thumbnails(root: Path, paths: Sequence[str], side: int) -> list[Images | None]:
    """Each upright as (h, w, 3) uint8 RGB, its longer side at most `side` pixels; None: unreadable."""
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(lambda path: _thumbnail(root / path, side), paths))


def _thumbnail(path: Path, side: int) -> Images | None:
    try:
        pixels = decode(file_bytes(path)).pixels
    except UndecodableError:
        return None
    return at_most(pixels, side)

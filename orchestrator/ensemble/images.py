"""Images as a user holds them: files by their paths, or pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import EnsembleError

Images = Sequence[Path | str] | Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
"""Paths, RGB arrays (H, W, 3) of any sizes, or one array (n, H, W, 3)."""


def as_images(images: Images) -> list[str] | list[NDArray[np.uint8]]:
    """All paths, or all arrays. Raises EnsembleError for what is neither."""
    if isinstance(images, str | Path):
        raise EnsembleError(f"predict wants a list of images; write [{str(images)!r}] for this one")
    if isinstance(images, np.ndarray) and images.dtype.kind not in "OU" and images.ndim != 4:
        raise EnsembleError(
            f"images are an array of the shape {images.shape}; give (n, H, W, 3), or a list of (H, W, 3)"
        )
    paths = [str(item) for item in images if isinstance(item, str | Path)]
    if len(paths) == len(images):
        return paths
    if paths:
        raise EnsembleError("images are paths and arrays in one list; ask for them apart")
    return [_checked(item, at) for at, item in enumerate(images)]


def _checked(image: object, at: int) -> NDArray[np.uint8]:
    """RGB of 8 bits. Nothing else is guessed at: what another range means, the user knows."""
    found = np.asarray(image)
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3 or not found.size:
        raise EnsembleError(
            f"image {at} is an array {found.shape} of {found.dtype}; give RGB (H, W, 3) of uint8, 0 to 255"
        )
    return found

"""Asks a trainable for small pictures of images: who decodes them is its business."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.trainable import load_trainable

SHIPPED = "trainables.image_classifier:ImageClassifier"
"""Whose decoder reads the images where the space's trainable has no `thumbnails` of its own."""


def read_thumbnails(
    root: str, paths: Sequence[str], side: int, trainable: str = SHIPPED
) -> list[NDArray[np.uint8] | None]:
    """Each image upright as (h, w, 3) uint8 RGB, its longer side at most `side` pixels; None: unreadable.

    paths: relative to root. trainable: "module:Class". Raises TrainableError.
    """
    found = getattr(load_trainable(trainable), "thumbnails", None)
    if found is None:
        found = load_trainable(SHIPPED).thumbnails  # type: ignore[attr-defined]
    pictures: list[NDArray[np.uint8] | None] = found(root, paths, side)
    return pictures

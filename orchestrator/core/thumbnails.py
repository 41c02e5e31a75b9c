"""Asks a trainable for small pictures of images: who decodes them is its business."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.measuring import SHIPPED, own_or_shipped


def read_thumbnails(
    root: str, paths: Sequence[str], side: int, trainable: str = SHIPPED
) -> list[NDArray[np.uint8] | None]:
    """Each image upright as (h, w, 3) uint8 RGB, its longer side at most `side` pixels; None: unreadable.

    paths: relative to root. trainable: "module:Class". Raises TrainableError.
    """
    pictures: list[NDArray[np.uint8] | None] = own_or_shipped(trainable, "thumbnails")(root, paths, side)
    return pictures

"""What can be compared of images without weights: a small grey picture, its statistics and its size. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.image_measures import ImageMeasures

SIDE = 8  # of the grey picture
_OF_FILES = ("file_bytes", "turned", "transparent")  # statistics that say nothing of what is seen
_SIMPLE = {"brightness": "brightness", "contrast": "contrast", "colour": "colour", "edge_std": "edges"}
"""Of the statistics, those that a person sees; the others say the same in other ways."""


def pixel_features(measures: ImageMeasures) -> NDArray[np.float32]:
    """(n, D) of n images; NaN in rows of images that cannot be read."""
    columns = [_small(measures.thumbnails), *_numbers(measures)]
    features = np.column_stack(columns).astype(np.float32)
    features[~measures.readable] = np.nan
    return features


def _numbers(measures: ImageMeasures) -> list[NDArray[np.floating]]:
    area = np.maximum(measures.height.astype(np.float64) * measures.width, 1)
    shape = np.maximum(measures.width, 1) / np.maximum(measures.height, 1)
    own = [values for name, values in measures.statistics.items() if name not in _OF_FILES]
    return [*own, np.log(area), np.log(shape)]


def _small(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, T, T) -> (n, SIDE * SIDE) means of equal fields."""
    n, size = thumbnails.shape[0], thumbnails.shape[1]
    step = size // SIDE
    fields = thumbnails[:, : step * SIDE, : step * SIDE].reshape(n, SIDE, step, SIDE, step)
    means: NDArray[np.float32] = fields.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1)
    return means


def simple_properties(measures: ImageMeasures, paths: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """What a person can check, by name: (n,) numbers, NaN where unknown, or text."""
    height, width = (side.astype(np.float64) for side in (measures.height, measures.width))
    for side in (height, width):
        side[~measures.readable] = np.nan
    suffixes = [PurePosixPath(path).suffix.lower() for path in paths]
    return {
        "height": height,
        "width": width,
        "width / height": width / height,
        "bytes": measures.statistics["file_bytes"],
        "file suffix": np.array(suffixes, np.str_),
        "file kind": measures.kind,
        "mode": measures.mode,
        "camera": measures.camera,
        **{name: measures.statistics[column] for column, name in _SIMPLE.items()},
    }

"""What rows are compared by: embeddings where there are weights, else what can be measured of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.check.look import Look
from orchestrator.data.quality.neighbours import described
from orchestrator.data.quality.pixel_features import pixel_features


@dataclass(frozen=True)
class Described:
    features: NDArray[np.float32]  # (n, D)
    usable: NDArray[np.bool_]  # (n,) rows whose features are finite
    by: str  # in a sentence, what they are: "embeddings"


def features_of(look: Look) -> Described:
    """Raises TrainableError, WeightsError, StorageError."""
    values = look.embeddings
    if values is not None:
        return Described(values, described(values), "embeddings")
    pixels = pixel_features(look.measures)
    usable = np.asarray(np.isfinite(pixels).all(axis=1), np.bool_)
    return Described(pixels, usable, "small grey pictures and statistics of pixels")

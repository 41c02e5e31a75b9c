"""In which order an epoch visits the training rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import TrainableError


def epoch_order(
    sampler: str, labels: NDArray[np.int64], classes: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Positions in `labels` (n,), the training rows' own: n of them, in the order they are trained on.

    "none": a permutation. "weighted": drawn with replacement, every class present equally likely.
    Raises TrainableError.
    """
    if sampler == "none":
        return rng.permutation(len(labels))
    if sampler == "weighted":
        counts = np.bincount(labels, minlength=classes)
        weights = 1.0 / counts[labels]
        return rng.choice(len(labels), size=len(labels), replace=True, p=weights / weights.sum())
    raise TrainableError(f"sampler={sampler!r} is not known; use none or weighted")

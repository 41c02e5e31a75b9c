"""What a baseline predicts: logistic regression on frozen features, out of fold in the study's own folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities


@dataclass(frozen=True)
class FittedBaseline:
    name: str  # in a sentence: "logistic regression on embeddings by resnet18"
    rows: NDArray[np.int64]  # (n,) of the manifest
    probabilities: Probabilities  # (n, C) or (n, L), each by a model of the other folds' rows

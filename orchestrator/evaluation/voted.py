"""What an honest estimate of an ensemble is made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.evaluation.voting import Vote

Combine = Callable[[Sequence[Probabilities]], Probabilities]
"""One vote of each study, [(n, C_i), ...] -> the ensemble's answer, (n, C)."""


@dataclass(frozen=True)
class Candidates:
    """The trials of one study among which the best `top` are chosen."""

    members: Sequence[Probabilities]  # out-of-fold, (n, C) or (n, L) each
    labels: Labels  # (n,), or (n, L) where a row may have several labels
    folds: NDArray[np.int16]  # (n,)
    top: int
    metric: str  # they are ranked by its mean over folds
    mode: str  # "max" or "min": which of its values are better
    condition_mask: NDArray[np.bool_] | None = None  # (n,), the rows they are ranked on; None stands for all


@dataclass(frozen=True)
class VotedRows:
    """The out-of-fold rows an ensemble is judged on, its answers, and what its members were chosen from."""

    labels: Labels  # (n,), or (n, L) where a row may have several labels
    probabilities: Probabilities  # (n, C), of the ensemble as it was chosen
    groups: NDArray[np.generic]  # (n,): rows of one group are not independent
    metric: str
    studies: Sequence[Candidates]
    vote: Vote  # over the chosen members of one study
    combine: Combine
    rows: str  # in a sentence, which rows these are: "72 rows with gender=female"
    views: str  # in a sentence, which views of an image the members saw: "without test-time augmentation"

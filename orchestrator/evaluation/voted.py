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
class PlainVote:
    """A vote of the best trials of each study, with nothing fitted before or after it.

    So a resample's choice follows from scores alone, which are a few matrix products for all resamples.
    """

    studies: Sequence[Candidates]
    vote: Vote
    combine: Combine

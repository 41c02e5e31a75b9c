"""How far rows to predict differ from training rows, as one number with an interval. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.text import counted
from orchestrator.data.quality.baseline import Features
from orchestrator.data.quality.shift import Weights, importance_weights, told_apart
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.estimate import Estimate

BOUND = 0.6
"""An AUC whose interval lies above it is worth a finding. Honest splits: docs/benchmarks/shift.md."""
LEAST = 50
"""Groups of either kind below which nothing is compared: the interval would be wide."""


@dataclass(frozen=True)
class DomainShift:
    auc: Estimate  # how well the two kinds of rows are told apart, by models that saw neither group
    probabilities: NDArray[np.float32]  # (n,) how likely each row is one to predict, out of fold
    is_new: NDArray[np.bool_]  # (n,) rows to predict
    weights: Weights  # of the training rows, in their order

    @property
    def is_certain(self) -> bool:
        return self.auc.low > BOUND

    def __str__(self) -> str:
        """One sentence without its full stop."""
        said = "differ from" if self.is_certain else "are not clearly told apart from"
        ends = f"{self.auc.level:.0%} interval {self.auc.low:.2f} to {self.auc.high:.2f}"
        return f"rows to predict {said} training rows: AUC {self.auc.score:.2f} ({ends}; 0.5 is chance)"

    @property
    def most_unlike(self) -> NDArray[np.int64]:
        """Row numbers of those to predict, the one that is least like a training row first."""
        new = np.flatnonzero(self.is_new)
        return new[np.argsort(-self.probabilities[new], kind="stable")]


def too_few(is_new: NDArray[np.bool_], groups: NDArray[np.integer]) -> str:
    """Why nothing is compared, in a few words; "" where there is enough."""
    for name, rows in (("training rows", ~is_new), ("rows to predict", is_new)):
        count = len(np.unique(groups[rows]))
        if count < LEAST:
            return f"{counted(count, 'group')} of {name}, and a comparison needs {LEAST}"
    return ""


def domain_shift(
    features: Features,
    is_new: NDArray[np.bool_],
    groups: NDArray[np.integer],
    seed: int,
    progress: Progress | None = None,
) -> DomainShift:
    """features (n, D) finite; is_new (n,); groups (n,) as numbers, of both kinds together."""
    rng = np.random.default_rng(seed)
    told = told_apart(features, is_new, groups, rng, progress)
    both = np.stack([1 - told.probabilities, told.probabilities], axis=1)
    auc = group_bootstrap(is_new.astype(np.int64), both, groups, "roc_auc", rng)
    return DomainShift(_widened(auc), told.probabilities, is_new, importance_weights(told, is_new))


def _widened(auc: Estimate) -> Estimate:
    """With the interval that the resampled groups give made wider by the square root of 2.

    Without a shift, what a model says of a group comes from the pairs of it with the groups fitted to, and
    each pair speaks twice, once in either direction. Resampled groups see one of the two: half the variance.
    """
    low, high = (auc.score + math.sqrt(2) * (end - auc.score) for end in (auc.low, auc.high))
    return replace(auc, low=max(low, 0.0), high=min(high, 1.0))

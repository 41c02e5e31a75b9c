"""Which trials may be the best, for all that the data say: a confidence set of the best. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import counted, shortened
from orchestrator.evaluation.bootstrap import draw_bags, group_codes
from orchestrator.evaluation.fold_means import FoldMeans
from orchestrator.evaluation.resampled_scores import affordable, defined

WIDER = 1.06
"""The chance of resamples is a little too small: without this the best of equal trials, the hardest case, was
inside in 0.87 to 0.90 of drawn studies instead of 0.90."""


@dataclass(frozen=True)
class ConfidenceSet:
    """The trials that cannot be told from the best: in `level` of studies, or more, it is among them."""

    trials: tuple[int, ...]  # numbers, best first; () where it could not be made
    level: float
    considered: int  # complete trials
    n_groups: int  # that were resampled
    reason: str = ""  # why it could not be made

    def __str__(self) -> str:
        if not self.trials:
            return f"none: {self.reason}"
        named = shortened([str(trial) for trial in self.trials], limit=12)
        if len(self.trials) == 1:
            return f"trial {named} alone, of {counted(self.considered, 'complete trial')}"
        return f"trials {named} (not told apart), of {self.considered} complete trials"


def confidence_set(
    trials: Sequence[int],
    members: Iterable[Probabilities],
    labels: Labels,
    folds: NDArray[np.int16],
    groups: Sequence[object] | NDArray[np.generic],
    metric: str,
    mode: str,
    rng: np.random.Generator,
    repeats: int = 500,
    level: float = 0.9,
    scored: NDArray[np.bool_] | None = None,
) -> ConfidenceSet:
    """trials: numbers; members: the out-of-fold probabilities (n, C) of each, read one at a time.

    labels (n,), or (n, L); folds, groups (n,); scored (n,): rows that trials are ranked on, None for all. A
    trial is judged as it is ranked, by its mean over folds. Where the set cannot be made it says why.
    """
    if len(trials) < 2:
        reason = "" if trials else "no trial is complete"
        return ConfidenceSet(tuple(trials), level, len(trials), 0, reason)
    try:
        codes, count = group_codes(groups)
        weights = draw_bags(count, affordable(repeats, metric), rng)
        means = FoldMeans(
            labels, folds, codes, np.vstack([np.ones((1, count), np.float32), weights]), metric, scored
        )
        found = (1.0 if mode == "max" else -1.0) * np.stack([means(member) for member in members], axis=1)
        observed, resampled = found[0], found[1:]
        defined(observed, metric)
        resampled = resampled[np.isfinite(resampled).all(axis=1)]
        defined(resampled, metric)
    except EnsembleError as error:
        return ConfidenceSet((), level, len(trials), 0, str(error))
    # Of few groups the resamples scatter too little: each fold's mean takes one of them away.
    spread = WIDER * math.sqrt(count / max(count - len(np.unique(folds)), 1))
    chance = spread * (resampled - resampled.mean(axis=0))
    inside = may_be_best(observed, chance, level)
    order = np.argsort(-observed, kind="stable")
    return ConfidenceSet(tuple(trials[index] for index in order if inside[index]), level, len(trials), count)


def may_be_best(observed: Floats, chance: Floats, level: float) -> NDArray[np.bool_]:
    """(m,): which of m trials are in the set. observed (m,): scores, larger is better.

    chance (repeats, m): how far they were off in each resample. A trial is out where it is further behind one
    of the others, in standard errors of their difference, than the furthest that it would fall behind by
    chance, at that level, if all were equal. A trial whose score is NaN is out.
    Source: Hsu, Annals of Statistics 9 (1981), "Simultaneous confidence intervals for all distances from the
    best", with a bootstrap in place of the normal distribution as in Mogstad, Romano, Shaikh, Wilhelm,
    Review of Economic Studies 91 (2024), "Inference for ranks".
    """
    inside = np.isfinite(observed)
    for trial in np.flatnonzero(inside):
        others = np.isfinite(observed) & (np.arange(len(observed)) != trial)
        if not others.any():
            continue
        ahead = chance[:, others] - chance[:, [trial]]
        error = ahead.std(axis=0)
        behind = _in_errors(observed[others] - observed[trial], error).max()
        furthest = _in_errors(ahead, error).max(axis=1)
        inside[trial] = behind <= np.quantile(furthest, level)
    return inside


def _in_errors(difference: Floats, error: Floats) -> Floats:
    """Of two that never differ in any resample, the sign alone counts: equal ones are not behind."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(error > 1e-12, difference / error, np.where(difference > 1e-12, np.inf, 0.0))
    return found

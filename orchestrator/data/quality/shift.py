"""How far prediction rows can be told from training rows: adversarial validation. Pure.

A model learns to tell the two kinds apart in some groups and is asked of the others. Where it cannot, its
answers order the rows like chance (an area under the ROC curve of 0.5), and what was learned on the training
rows may hold for the others. Its odds also say how much more frequent rows such as a training row are among
those to predict: they are the weights under which the training rows stand for them.

Sources: Bickel, Brueckner and Scheffer, JMLR 10 (2009), discriminative learning under covariate shift;
Sugiyama, Krauledat and Mueller, JMLR 8 (2007), importance-weighted cross validation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.data.quality.baseline import Features, fitted
from orchestrator.data.quality.dealt_folds import dealt_folds, drawn_groups

FOLDS = 5
MOST = 4000  # rows of each kind that a model is fitted to
PENALTY = 0.1  # as `baseline.PENALTY`; what is to be seen is broad, and few rows must not be learned by heart
CLIP = 10.0  # largest weight of a row, as a multiple of the mean one before clipping


@dataclass(frozen=True)
class ToldApart:
    probabilities: NDArray[
        np.float32
    ]  # (n,) how likely each row is one to predict; 0.5 where nothing says so
    folds: NDArray[np.int16]  # (n,) which rows' model saw no row of this one's group


@dataclass(frozen=True)
class Weights:
    """Of training rows, so that they stand for the prediction rows. Their mean is 1."""

    values: NDArray[np.float64]  # (n,)
    effective_rows: float  # so many rows of equal weight would say as much (Kish)
    clipped: float  # share of rows whose weight was cut to CLIP


def told_apart(
    features: Features,
    is_new: NDArray[np.bool_],
    groups: NDArray[np.integer],
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> ToldApart:
    """Each row is answered by a model that saw no row of its group; either kind counts alike, however many
    rows it has.

    features (n, D) finite; is_new (n,): rows to predict; groups (n,), as numbers.
    """
    folds = dealt_folds(groups, is_new.astype(np.int64), FOLDS, rng)
    found = np.full(len(is_new), 0.5, np.float32)
    for fold in range(FOLDS):
        rows = _fitted_rows(np.flatnonzero(folds != fold), is_new, groups, rng)
        scored = folds == fold
        if scored.any():
            model = fitted(features[rows], is_new[rows].astype(np.int64), 2, balanced=True, penalty=PENALTY)
            found[scored] = model(features[scored])[:, 1]
        if progress is not None:
            progress(fold + 1, FOLDS)
    return ToldApart(found, folds)


def _fitted_rows(
    rows: NDArray[np.int64], is_new: NDArray[np.bool_], groups: NDArray[np.integer], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Of each kind at most MOST of `rows`, in whole groups."""
    kinds = [rows[is_new[rows]], rows[~is_new[rows]]]
    return np.concatenate([kind[drawn_groups(groups[kind], MOST, rng)] for kind in kinds])


def importance_weights(told: ToldApart, is_new: NDArray[np.bool_]) -> Weights:
    """Of the training rows, in their order, from odds that are brought to the right size first.

    A model of many features is far surer than it is right: where nothing tells the two kinds apart, its odds
    would still give some rows much weight. So each fold's log odds are scaled by a slope that fits the other
    folds' answers, and where that slope is not above 0 they say nothing. is_new (n,): rows to predict.
    """
    odds = np.exp(_calibrated(_log_odds(told.probabilities), told.folds, is_new)[~is_new])
    relative = odds / odds.mean()
    clipped = np.minimum(relative, CLIP)
    values = clipped / clipped.mean()
    return Weights(values, float(values.sum() ** 2 / (values**2).sum()), float((relative > CLIP).mean()))


def _log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    inside = np.clip(probabilities.astype(np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside / (1 - inside)), np.float64)


def _calibrated(
    log_odds: NDArray[np.float64], folds: NDArray[np.int16], is_new: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(n,) each fold's by a line through the answers of the others (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    found = np.zeros(len(log_odds))
    for fold in np.unique(folds):
        own, others = folds == fold, folds != fold
        line = LogisticRegression(C=1.0, class_weight="balanced").fit(log_odds[others, None], is_new[others])
        slope, start = float(line.coef_[0, 0]), float(line.intercept_[0])
        if slope > 0:
            found[own] = slope * log_odds[own] + start
    return found

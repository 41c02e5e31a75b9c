"""The score by which a study ranks its trials, on resampled groups: the mean over folds. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.evaluation.resampled_scores import ResampledScores


class FoldMeans:
    """labels (n,) or (n, L); folds, codes (n,); weights (resamples, groups); scored (n,): the rows trials are
    ranked on, None for all."""

    def __init__(
        self,
        labels: Labels,
        folds: NDArray[np.int16],
        codes: NDArray[np.int64],
        weights: NDArray[np.floating],
        metric: str,
        scored: NDArray[np.bool_] | None = None,
    ) -> None:
        mask = np.ones(len(folds), np.bool_) if scored is None else scored
        self._labels, self._metric, self._count = labels, metric, len(weights)
        self._folds = []
        for fold in np.unique(folds[mask]):
            rows = np.flatnonzero(mask & (folds == fold))
            here, local = np.unique(codes[rows], return_inverse=True)
            self._folds.append((rows, local.ravel(), weights[:, here]))

    def __call__(self, member: Probabilities) -> Floats:
        """(n, C) -> (resamples,): over the folds of which a resample holds enough to score; NaN for none."""
        total, held = np.zeros((2, self._count))
        for rows, codes, bags in self._folds:
            judge = ResampledScores(self._labels[rows], member[rows], codes, bags.shape[1], self._metric)
            judged = judge(bags)
            scored = bags.any(axis=1) & np.isfinite(judged)
            total += np.where(scored, judged, 0.0)
            held += scored
        mean: Floats = np.divide(total, held, out=np.full(len(total), np.nan), where=held > 0)
        return mean

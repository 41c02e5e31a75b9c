"""The scores of a study's fold-epochs on resampled groups. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.evaluation.resampled_scores import ResampledScores

Key = tuple[int, int, int]
"""Trial, fold, epoch (from 1)."""


@dataclass(frozen=True)
class KeptEpochs:
    """Validation probabilities of one study's fold-epochs, those of pruned trials too."""

    keys: Sequence[Key]  # of each fold run, epochs 1 to the last one that was kept
    rows: Mapping[int, NDArray[np.int64]]  # by fold, where its rows stand among the n rows of the labels
    read: Callable[[int, int, int], Probabilities]  # trial, fold, epoch -> (rows of the fold, C)

    @classmethod
    def of(cls, arrays: Mapping[Key, tuple[NDArray[np.int64], Probabilities]]) -> KeptEpochs:
        """From rows and probabilities by trial, fold and epoch."""
        rows = {fold: own for (_, fold, _), (own, _) in arrays.items()}
        return cls(sorted(arrays), rows, lambda *key: arrays[key][1])

    def complete(self, folds: int, max_t: int) -> list[int]:
        """Trials of which every epoch of every fold was kept."""
        held = set(self.keys)
        trials = sorted({trial for trial, _, _ in held})
        every = [(fold, epoch) for fold in range(folds) for epoch in range(1, max_t + 1)]
        return [trial for trial in trials if all((trial, *rest) in held for rest in every)]


@dataclass(frozen=True)
class InBagScores:
    """The scores of every kept fold-epoch on every resample, as a race would have seen them."""

    keys: NDArray[np.int64]  # (kept, 3): trial, fold, epoch
    values: NDArray[np.float32]  # (resamples, kept), in the metric's own direction; no NaN

    def table(self, number: int, shape: tuple[int, int, int]) -> Floats:
        """(trials, folds, epochs) of one resample, NaN where nothing was kept."""
        found = np.full(shape, np.nan)
        trial, fold, epoch = self.keys.T
        found[trial, fold, epoch - 1] = self.values[number]
        return found


def in_bag_scores(
    kept: KeptEpochs,
    labels: Labels,
    codes: NDArray[np.int64],
    metric: str,
    mode: str,
    weights: NDArray[np.float32],
    scored: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
) -> InBagScores:
    """labels, codes (n,); weights (resamples, groups); scored (n,): the rows a trial is judged on, None: all.

    Of a fold without a row in the bag, or on which the metric is undefined for all, nothing is known: all
    scores there are 0. Where it is undefined for some, theirs are the worst of the fold's others.
    """
    folds = {fold: FoldRows(rows, codes, scored) for fold, rows in kept.rows.items()}
    values = np.empty((len(weights), len(kept.keys)), np.float32)
    for number, (trial, fold, epoch) in enumerate(kept.keys):
        own = folds[fold]
        found = kept.read(trial, fold, epoch)[own.kept]
        judge = ResampledScores(labels[own.rows], found, own.codes, len(own.groups), metric)
        bags = weights[:, own.groups]
        values[:, number] = np.where(bags.any(axis=1), judge(bags), np.nan)
        if progress is not None:
            progress(number + 1, len(kept.keys))
    keys = np.array(kept.keys, np.int64).reshape(-1, 3)
    for fold in folds:
        at = keys[:, 1] == fold
        values[:, at] = _without_nan(values[:, at], mode)
    return InBagScores(keys, values)


class FoldRows:
    """The rows of a fold that trials are judged on, and their groups."""

    def __init__(
        self, rows: NDArray[np.int64], codes: NDArray[np.int64], scored: NDArray[np.bool_] | None
    ) -> None:
        self.kept = np.ones(len(rows), np.bool_) if scored is None else scored[rows]
        self.rows = rows[self.kept]
        self.groups, local = np.unique(codes[self.rows], return_inverse=True)
        self.codes = local.ravel().astype(np.int64)


def _without_nan(values: NDArray[np.float32], mode: str) -> NDArray[np.float32]:
    gone = ~np.isfinite(values)
    if not gone.any():
        return values
    sign = 1.0 if mode == "max" else -1.0
    worst = np.where(gone, np.inf, sign * values).min(axis=1, keepdims=True, initial=np.inf)
    filled: NDArray[np.float32] = np.where(gone, np.where(np.isfinite(worst), sign * worst, 0.0), values)
    return filled

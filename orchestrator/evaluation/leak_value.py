"""What a leak would be worth: a baseline scored in folds that keep groups together, and in folds that do not.

The baseline is quickly fitted (logistic regression on features that nothing was trained for); a network,
which can learn rows by heart, usually gains more from a leak. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.core.metrics import find
from orchestrator.data.quality.baseline import Features, out_of_fold
from orchestrator.data.quality.dealt_folds import dealt_folds
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.paired import PairedDifference, paired_difference

LEVEL = 0.99
"""Of the interval of the difference: it is worth a finding where all of it lies on the side of the leak."""


@dataclass(frozen=True)
class Rows:
    """What a baseline is fitted to and scored on."""

    features: Features  # (n, D) finite
    labels: Labels  # (n,) in [0, classes), or (n, classes) of 0 and 1
    groups: NDArray[np.integer]  # (n,) as numbers
    classes: int
    metric: str
    mode: str  # "max" or "min": which of its values are better


@dataclass(frozen=True)
class LeakValue:
    honest: Estimate  # groups kept together
    leaking: Estimate  # rows dealt out one by one
    difference: PairedDifference  # leaking minus honest, on the same rows
    mode: str
    answers: Probabilities  # (n, C) of the honest baseline, out of fold

    @property
    def gain(self) -> float:
        """By how much the leak flatters: above 0 where it does, whichever values are better."""
        return self._sign * self.difference.difference

    @property
    def is_certain(self) -> bool:
        """Whether the whole interval of the difference lies on the side of the leak."""
        return min(self._sign * self.difference.low, self._sign * self.difference.high) > 0

    @property
    def _sign(self) -> float:
        return -1.0 if self.mode == "min" else 1.0

    def __str__(self) -> str:
        item = self.difference
        return (
            f"{item.metric} {self.leaking.score:.3f} in folds that ignore groups, {self.honest.score:.3f} in "
            f"honest ones: {item.difference:+.3f} ({item.level:.0%} interval {item.low:+.3f} to "
            f"{item.high:+.3f}, {item.n_rows} rows of {item.n_groups} groups)"
        )


def leak_value(
    rows: Rows, folds: NDArray[np.integer] | None, k: int, seed: int, progress: Progress | None = None
) -> LeakValue:
    """folds (n,): honest ones in use; None deals the groups into k. Raises EnsembleError for one group."""
    rng = np.random.default_rng([seed, k])
    strata = strata_of(rows.labels)
    honest = dealt_folds(rows.groups, strata, k, rng) if folds is None else folds
    leaking = dealt_folds(np.arange(len(strata)), strata, k, rng)
    halves = _Halves(progress)
    answers = [
        out_of_fold(rows.features, rows.labels, item, rows.classes, halves.of(number))
        for number, item in enumerate((honest, leaking))
    ]
    scored = honest >= 0
    labels, groups = rows.labels[scored], rows.groups[scored]
    first, second = (answer[scored] for answer in answers)
    estimates = [group_bootstrap(labels, item, groups, rows.metric, rng) for item in (first, second)]
    difference = paired_difference(labels, first, second, groups, rows.metric, rng, level=LEVEL)
    return LeakValue(*estimates, difference, rows.mode, answers[0])


def strata_of(labels: Labels) -> NDArray[np.int64]:
    """(n,) a number for each class, or for each set of labels that occurs."""
    axis = 0 if labels.ndim == 2 else None
    codes: NDArray[np.int64] = np.unique(labels, axis=axis, return_inverse=True)[1].ravel().astype(np.int64)
    return codes


def better(metric: str) -> str:
    """The mode of a metric where no space says it: a user's own counts as one to be maximised."""
    return find(metric).mode or "max"


class _Halves:
    """Two runs of the same length, as one count."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def of(self, number: int) -> Progress | None:
        progress = self._progress
        if progress is None:
            return None
        return lambda done, total: progress(number * total + done, 2 * total)

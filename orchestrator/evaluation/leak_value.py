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
from orchestrator.data.quality.baseline import Features, out_of_fold
from orchestrator.data.quality.dealt_folds import dealt_folds
from orchestrator.evaluation.bootstrap import group_codes
from orchestrator.evaluation.paired import paired_difference

LEVEL = 0.99
"""Of the interval of the difference: it is worth a finding where all of it lies on the side of the leak."""
DEALS = 3
"""How folds happen to be dealt moves a score too, which an interval over groups does not hold: so each kind
of folds is dealt anew, and all deals must agree."""


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
    """Scores of all rows, the means of DEALS deals of the folds."""

    honest: float  # groups kept together
    leaking: float  # rows dealt out one by one, or in lesser groups
    low: float  # of leaking minus honest: the least of the deals' lower ends,
    high: float  # and the greatest of their upper ends
    n_rows: int
    n_groups: int
    metric: str
    mode: str
    answers: Probabilities  # (n, C) of the honest baseline, out of fold, of the first deal

    @property
    def difference(self) -> float:
        return self.leaking - self.honest

    @property
    def gain(self) -> float:
        """By how much the leak flatters: above 0 where it does, whichever values are better."""
        return self._sign * self.difference

    @property
    def is_certain(self) -> bool:
        """Whether every deal's whole interval lies on the side of the leak."""
        return min(self._sign * self.low, self._sign * self.high) > 0

    @property
    def _sign(self) -> float:
        return -1.0 if self.mode == "min" else 1.0

    def __str__(self) -> str:
        return self.said("that ignore groups")

    def said(self, which: str) -> str:
        """which: folds leak, behind the word folds."""
        return (
            f"{self.metric} {self.leaking:.3f} in folds {which}, {self.honest:.3f} in honest "
            f"ones: {self.difference:+.3f} ({LEVEL:.0%} interval {self.low:+.3f} to {self.high:+.3f}, "
            f"{self.n_rows} rows of {self.n_groups} groups)"
        )


def leak_value(
    rows: Rows,
    folds: NDArray[np.integer] | None,
    k: int,
    seed: int,
    progress: Progress | None = None,
    leaking: NDArray[np.integer] | None = None,
) -> LeakValue:
    """folds (n,): honest ones in use, for the first deal; the others, and all where it is None, deal the
    groups into k. Rows of fold -1 are learned from and not scored. leaking (n,): what the folds that leak
    keep together, as numbers; None: nothing. Raises EnsembleError for one group."""
    group_codes(rows.groups)
    rng = np.random.default_rng([seed, k])
    strata = strata_of(rows.labels)
    scored = np.ones(len(strata), np.bool_) if folds is None else np.asarray(folds >= 0, np.bool_)
    steps = _Parts(2 * DEALS, progress)
    units = np.arange(len(strata)) if leaking is None else leaking
    pairs = []
    for deal in range(DEALS):
        honest = folds if folds is not None and deal == 0 else dealt_folds(rows.groups, strata, k, rng)
        torn = dealt_folds(units, strata, k, rng)
        kept = [np.where(scored, item, -1) for item in (honest, torn)]
        pairs.append([_answers(rows, item, steps.next()) for item in kept])
    labels, groups = rows.labels[scored], rows.groups[scored]
    found = [
        paired_difference(labels, one[scored], other[scored], groups, rows.metric, rng, level=LEVEL)
        for one, other in pairs
    ]
    return LeakValue(
        float(np.mean([item.first for item in found])),
        float(np.mean([item.second for item in found])),
        min(item.low for item in found),
        max(item.high for item in found),
        found[0].n_rows,
        found[0].n_groups,
        rows.metric,
        rows.mode,
        pairs[0][0],
    )


def _answers(rows: Rows, folds: NDArray[np.integer], progress: Progress | None) -> Probabilities:
    return out_of_fold(rows.features, rows.labels, folds, rows.classes, progress)


def strata_of(labels: Labels) -> NDArray[np.int64]:
    """(n,) a number for each class, or for each set of labels that occurs."""
    axis = 0 if labels.ndim == 2 else None
    codes: NDArray[np.int64] = np.unique(labels, axis=axis, return_inverse=True)[1].ravel().astype(np.int64)
    return codes


class _Parts:
    """Runs of the same length, as one count."""

    def __init__(self, parts: int, progress: Progress | None) -> None:
        self._parts, self._progress, self._begun = parts, progress, -1

    def next(self) -> Progress | None:
        self._begun += 1
        progress, before = self._progress, self._begun
        if progress is None:
            return None
        return lambda done, total: progress(before * total + done, self._parts * total)

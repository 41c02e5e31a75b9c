"""From which probability on each of several labels is predicted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities

HALF = 0.5


@dataclass(frozen=True)
class Thresholds:
    """Fitted on out-of-fold rows. A label is predicted where its probability is at least its threshold.

    Where fitting gained nothing on rows that it had not seen, every threshold is 0.5.
    """

    values: tuple[float, ...]  # (L,)
    at_least_one: bool  # every known row has a label, so one is predicted for every row
    f1: float  # mean F1 of the labels, each row cut at thresholds that the other folds' rows were fitted to
    f1_at_half: float  # mean F1 of the labels on the same rows, cut at 0.5

    def decide(self, probabilities: Probabilities) -> Labels:
        """(n, L) of 0 and 1. probabilities (n, L)."""
        return decide_labels(probabilities, np.array(self.values), self.at_least_one)

    def to_json(self) -> dict[str, Any]:
        return {
            "values": list(self.values),
            "at_least_one": self.at_least_one,
            "f1": self.f1,
            "f1_at_half": self.f1_at_half,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Thresholds:
        """Inverse of `to_json`. Raises KeyError, TypeError, ValueError for anything else."""
        values = tuple(float(value) for value in record["values"])
        return cls(values, bool(record["at_least_one"]), float(record["f1"]), float(record["f1_at_half"]))


def fit_thresholds(labels: Labels, probabilities: Probabilities, folds: NDArray[np.int16]) -> Thresholds:
    """labels (n, L) of 0 and 1, probabilities (n, L), folds (n,): the fold whose model gave a row's."""
    crossed = np.zeros_like(labels)
    for fold in np.unique(folds):
        own, others = folds == fold, folds != fold
        values = best_f1_thresholds(labels[others], probabilities[others])
        crossed[own] = decide_labels(probabilities[own], values, always_labelled(labels[others]))
    halves, always = np.full(labels.shape[1], HALF), always_labelled(labels)
    half = decide_labels(probabilities, halves, always)
    f1, f1_at_half = mean_f1(labels, crossed), mean_f1(labels, half)
    values = halves if f1 < f1_at_half else best_f1_thresholds(labels, probabilities)
    return Thresholds(tuple(values.tolist()), always, f1, f1_at_half)


def best_f1_thresholds(
    labels: Labels, probabilities: Probabilities, row_weights: NDArray[np.floating] | None = None
) -> Floats:
    """(L,): the threshold of each label's largest F1, midway between two probabilities; of several as good
    the one nearest 0.5. A label that no row has, or every row, keeps 0.5: nothing can be fitted to it.

    row_weights (n,): rows of weight 0 are not looked at; None: all count alike.
    """
    weights = np.ones(len(labels)) if row_weights is None else np.asarray(row_weights, np.float64)
    known = weights > 0
    labels, probabilities, weights = labels[known], probabilities[known], weights[known]
    columns = range(labels.shape[1])
    found = [_best_threshold(labels[:, at], probabilities[:, at], weights) for at in columns]
    return np.array(found, np.float64)


def always_labelled(labels: Labels) -> bool:
    """Whether every row has a label, (n, L)."""
    return len(labels) > 0 and bool(labels.any(axis=1).all())


def _best_threshold(labels: Labels, probabilities: NDArray[np.float32], weights: Floats) -> float:
    if int(labels.sum()) in (0, len(labels)):
        return HALF
    order = np.argsort(-probabilities, kind="stable")
    values = probabilities[order].astype(np.float64)
    hits = np.cumsum(weights[order] * labels[order])
    f1 = 2 * hits / (np.cumsum(weights[order]) + hits[-1])
    below = np.append(values[1:], 0.0)
    cuts = (values + below) / 2
    apart = values > below  # a cut between equal probabilities is none
    best = f1[apart].max(initial=0.0)
    good = cuts[apart][np.isclose(f1[apart], best, rtol=0, atol=1e-12)]
    return float(good[np.abs(good - HALF).argmin()]) if len(good) else HALF


def decide_labels(probabilities: Probabilities, thresholds: Floats, at_least_one: bool = False) -> Labels:
    """(n, L) of 0 and 1; at_least_one: a row below all thresholds gets its label nearest to its threshold."""
    decided = (probabilities >= thresholds).astype(np.int64)
    if at_least_one:
        none = np.flatnonzero(~decided.any(axis=1))
        decided[none, (probabilities[none] - thresholds).argmax(axis=1)] = 1
    return decided


def mean_f1(labels: Labels, decided: Labels) -> float:
    """Mean F1 of the labels that some row has or was given; 0 where there is none. Both (n, L) of 0 and 1."""
    hits = (labels * decided).sum(axis=0)
    seen = labels.sum(axis=0) + decided.sum(axis=0)
    f1 = 2 * hits / np.maximum(seen, 1)
    return float(f1[seen > 0].mean()) if (seen > 0).any() else 0.0

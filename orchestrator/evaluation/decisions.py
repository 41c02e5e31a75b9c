"""Decisions: what probabilities are predicted as, fitted to a metric of predicted labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics import find
from orchestrator.evaluation.gate import Gate, paired_gate
from orchestrator.evaluation.pool import Answers, JudgedRows
from orchestrator.evaluation.thresholds import best_f1_thresholds
from orchestrator.evaluation.voting import LEAST

GRID = np.linspace(-1.5, 1.5, 31)
SURE = 0.501


@dataclass(frozen=True)
class Decisions:
    """How probabilities become decisions: `apply` gives ones whose argmax (0.5 cut) is the decision."""

    kind: str  # "offsets": (C,) added to logarithms; "cut_points": (C - 1,) of the mean class number;
    # "thresholds": (L,) from which on a label is predicted
    values: tuple[float, ...]
    at_least_one: bool = False  # of thresholds: a row below all of them gets the label nearest to its own

    def apply(self, probabilities: Probabilities) -> Probabilities:
        """(n, C) of (n, C), or (n, L) of (n, L)."""
        return APPLY[self.kind](probabilities, np.array(self.values), self.at_least_one)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "values": list(self.values), "at_least_one": self.at_least_one}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Decisions:
        """Inverse of `to_json`. Raises KeyError, TypeError, ValueError for anything else."""
        if record["kind"] not in APPLY:
            raise ValueError(f"decisions of kind {record['kind']!r} are not known")
        values = tuple(float(value) for value in record["values"])
        return cls(str(record["kind"]), values, bool(record["at_least_one"]))


@dataclass(frozen=True)
class DecisionsChoice:
    """decisions: None where none were accepted, or none can be fitted to the metric."""

    decisions: Decisions | None
    gate: Gate | None  # None where none can be fitted
    answers: Answers  # decided, if they were accepted


def _offset(probabilities: Probabilities, values: Floats, at_least_one: bool) -> Probabilities:
    logs = np.log(np.clip(probabilities.astype(np.float64), LEAST, 1.0)) + values
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    found: Probabilities = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def _cut(probabilities: Probabilities, values: Floats, at_least_one: bool) -> Probabilities:
    decided = np.searchsorted(values, class_number(probabilities), "right")
    one = np.eye(probabilities.shape[1])[decided]
    found: Probabilities = ((1 - SURE) * probabilities + SURE * one).astype(np.float32)
    return found


def _threshold(probabilities: Probabilities, values: Floats, at_least_one: bool) -> Probabilities:
    below = np.minimum(0.5 * probabilities / values, np.nextafter(np.float32(0.5), np.float32(0)))
    above = 0.5 + 0.5 * (probabilities - values) / np.maximum(1 - values, 1e-12)
    found: Probabilities = np.where(probabilities >= values, above, below).astype(np.float32)
    if at_least_one:
        none = np.flatnonzero(~(found >= 0.5).any(axis=1))
        found[none, (probabilities[none] - values).argmax(axis=1)] = 0.5
    return found


APPLY = {"offsets": _offset, "cut_points": _cut, "thresholds": _threshold}


def class_number(probabilities: Probabilities) -> Floats:
    """(n,) the mean class number, in [0, C - 1]."""
    found: Floats = probabilities.astype(np.float64) @ np.arange(probabilities.shape[1])
    return found


def kind_for(metric: str, labels: Labels) -> str | None:
    """The kind of decisions that can gain by a metric; None where the metric looks at probabilities alone."""
    if find(metric).needs != "labels" or metric == "accuracy":
        return None
    if labels.ndim == 2:
        return "thresholds"
    return "cut_points" if metric == "quadratic_weighted_kappa" else "offsets"


def fit_decisions(
    rows: JudgedRows, probabilities: Probabilities, row_weights: NDArray[np.floating] | None = None
) -> Decisions | None:
    """The best decisions by `rows.metric` on the rows of positive weight; None where `kind_for` is."""
    kind, weights = kind_for(rows.metric, rows.labels), rows.weights(row_weights)
    if kind is None:
        return None
    if kind == "thresholds":
        known = weights > 0
        return Decisions(kind, tuple(best_f1_thresholds(rows.labels[known], probabilities[known]).tolist()))
    start = (
        np.zeros(probabilities.shape[1]) if kind == "offsets" else np.arange(probabilities.shape[1] - 1) + 0.5
    )
    return _coordinate_ascent(rows, probabilities, weights, Decisions(kind, tuple(start.tolist())))


def _coordinate_ascent(
    rows: JudgedRows, probabilities: Probabilities, weights: Floats, found: Decisions
) -> Decisions:
    best = _value(rows, found.apply(probabilities), weights)
    for at in range(len(found.values)):
        for step in GRID:
            values = list(found.values)
            values[at] += float(step)
            tried = Decisions(found.kind, tuple(values))
            value = _value(rows, tried.apply(probabilities), weights)
            if (value > best + 1e-12 and list(values) == sorted(values)) or (
                found.kind == "offsets" and value > best
            ):
                best, found = value, tried
    return found


def _value(rows: JudgedRows, probabilities: Probabilities, weights: Floats) -> float:
    metric, size = find(rows.metric), len(rows.labels)
    value = metric.of(metric.count(rows.labels, probabilities, np.arange(size), size)(weights[None]))[0]
    return float(rows.sign * value)


def choose_decisions(
    rows: JudgedRows, answers: Answers, row_weights: NDArray[np.floating] | None = None
) -> DecisionsChoice:
    """Fitted to `answers`, cross-fitted by their folds; accepted where the metric gains more than one SE."""
    weights = rows.weights(row_weights)
    fitted = fit_decisions(rows, answers.final, weights)
    if fitted is None:
        return DecisionsChoice(None, None, answers)
    without = {}
    for fold, item in answers.without.items():
        found = fit_decisions(rows, item, np.where(rows.folds == fold, 0.0, weights))
        without[fold] = found.apply(item) if found else item
    changed = Answers(fitted.apply(answers.final), without)
    gate = paired_gate(rows, answers.crossed(rows.folds), changed.crossed(rows.folds), weights)
    if not without:
        gate = Gate(float("nan"), float("nan"), False, "one fold cannot be left out: nothing is fitted")
    if not gate.accepted:
        return DecisionsChoice(None, gate, answers)
    return DecisionsChoice(fitted, gate, changed)

"""Decisions: what probabilities are predicted as, fitted to a metric of predicted labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics import find
from orchestrator.evaluation.gate import CHANCE, ONE_FOLD, Gate, paired_gate, refused
from orchestrator.evaluation.offsets import fit_cut_points, fit_offsets
from orchestrator.evaluation.pool import Answers, JudgedRows
from orchestrator.evaluation.thresholds import always_labelled, best_f1_thresholds
from orchestrator.evaluation.voting import LEAST

SURE = 0.501
"""Share of a row's probability that a cut point gives to the class it decides, so that argmax finds it."""


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
        found = best_f1_thresholds(rows.labels[known], probabilities[known], weights[known])
        return Decisions(kind, tuple(found.tolist()), always_labelled(rows.labels[known]))
    of = find(rows.metric).of
    if kind == "offsets":
        values = fit_offsets(rows.labels, probabilities, rows.codes, weights, of)
    else:
        numbers, classes = class_number(probabilities), probabilities.shape[1]
        values = fit_cut_points(rows.labels, numbers, rows.codes, weights, classes, of)
    return Decisions(kind, tuple(values.tolist()))


def choose_decisions(
    rows: JudgedRows, answers: Answers, row_weights: NDArray[np.floating] | None = None
) -> DecisionsChoice:
    """Fitted to `answers` without each fold, and accepted where the metric of the folds left out gains more
    than one standard error. The offsets or cut points that are used are the mean of the folds'; thresholds
    are fitted to all rows."""
    weights = rows.weights(row_weights)
    if kind_for(rows.metric, rows.labels) is None:
        return DecisionsChoice(None, None, answers)
    folds = [fold for fold in answers.without if (weights[rows.folds == fold] > 0).any()]
    if len(folds) < 2:
        return DecisionsChoice(None, refused(ONE_FOLD), answers)
    made, without = [], dict(answers.without)
    for fold in folds:
        found = fit_decisions(rows, without[fold], np.where(rows.folds == fold, 0.0, weights))
        assert found is not None  # the metric has a kind of decisions
        without[fold] = found.apply(without[fold])
        made.append(found)
    fitted = _mean(made) or fit_decisions(rows, answers.final, weights)
    assert fitted is not None
    changed = Answers(fitted.apply(answers.final), without)
    honest = answers.honest(rows.folds, weights)
    gate = paired_gate(rows, answers.crossed(rows.folds), changed.crossed(rows.folds), honest)
    if gate.accepted and not rows.multi_label:
        gate = _beyond_chance(rows, changed.crossed(rows.folds), honest, gate)
    if not gate.accepted:
        return DecisionsChoice(None, gate, answers)
    return DecisionsChoice(fitted, gate, changed)


def _beyond_chance(rows: JudgedRows, decided: Probabilities, weights: Floats, gate: Gate) -> Gate:
    """Refused where the decided answers do no better than the same ones dealt to other rows of their fold.

    Of answers that tell no rows apart, offsets make one class in each fold, and another in the next one: on
    all rows at once that looks better than one class for all. (A label that is given to every row has an F1
    of its own, so thresholds are not looked at.)
    """
    told = paired_gate(rows, decided[_dealt(rows, decided)], decided, weights)
    if told.gain > CHANCE * told.se or not np.isfinite(told.se):
        return gate
    why = "Not taken: it does no better than its answers given to other rows of the fold, so by chance"
    return replace(gate, accepted=False, reason=f"{gate.reason}. {why}")


def _dealt(rows: JudgedRows, answers: Probabilities) -> NDArray[np.intp]:
    """(n,): for each row another of its fold, the same whatever the order of the rows is."""
    order = np.lexsort((rows.labels, class_number(answers), rows.codes, rows.folds))
    dealt, rng = np.arange(len(order)), np.random.default_rng(0)
    for fold in np.unique(rows.folds):
        own = order[rows.folds[order] == fold]
        dealt[own] = own[rng.permutation(len(own))]
    return dealt


def _mean(found: list[Decisions]) -> Decisions | None:
    """None of thresholds: half of a probability's distance is no compromise between two of them."""
    if found[0].kind == "thresholds":
        return None
    values = np.mean([item.values for item in found], axis=0)
    return Decisions(found[0].kind, tuple(values.tolist()))

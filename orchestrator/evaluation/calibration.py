"""Temperature after averaging. Pure. Source: Guo, Pleiss, Sun, Weinberger, ICML 2017."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics.row_sums import brier_losses, log_losses
from orchestrator.evaluation.gate import ONE_FOLD, Gate, paired_gate, refused
from orchestrator.evaluation.pool import Answers, JudgedRows
from orchestrator.evaluation.voting import LEAST

LIMITS = (0.05, 20.0)
"""The least and the largest temperature."""

BINS = 15


@dataclass(frozen=True)
class Temperature:
    """Probabilities are raised to 1 / value and divided by their sum; above 1 they become less sure."""

    value: float = 1.0
    multi_label: bool = False

    def apply(self, probabilities: Probabilities) -> Probabilities:
        """(n, C) of (n, C), or (n, L) of (n, L)."""
        if self.value == 1:
            return probabilities
        clipped = np.clip(probabilities.astype(np.float64), LEAST, 1 - LEAST)
        if self.multi_label:
            odds = (np.log(clipped) - np.log1p(-clipped)) / self.value
            sure: Probabilities = (1 / (1 + np.exp(-odds))).astype(np.float32)
            return sure
        powers = np.log(clipped) / self.value
        shares = np.exp(powers - powers.max(axis=1, keepdims=True))
        found: Probabilities = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "multi_label": self.multi_label}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Temperature:
        """Inverse of `to_json`. Raises KeyError, TypeError, ValueError for anything else."""
        return cls(float(record["value"]), bool(record["multi_label"]))


@dataclass(frozen=True)
class CalibrationScores:
    """How far probabilities can be believed; less is better."""

    nll: float  # log loss
    brier: float
    ece: float  # `equal_mass_ece`

    def to_json(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Calibration:
    """A temperature that was accepted or not (then it is 1), and what it changes on other rows."""

    temperature: Temperature
    gate: Gate  # of the log loss
    before: CalibrationScores
    after: CalibrationScores  # at temperatures fitted without each row's fold, accepted or not
    answers: Answers  # after the temperature, if it was accepted

    def to_json(self) -> dict[str, Any]:
        scores = {"before": self.before.to_json(), "after": self.after.to_json()}
        return {"temperature": self.temperature.to_json(), "gate": self.gate.to_json(), **scores}


def fit_temperature(
    labels: Labels, probabilities: Probabilities, row_weights: NDArray[np.floating] | None = None
) -> Temperature:
    """The temperature of the least log loss. labels (n,) and probabilities (n, C), or both (n, L)."""
    weights = np.ones(len(labels)) if row_weights is None else np.asarray(row_weights, np.float64)
    rows = np.flatnonzero(weights > 0)
    loss = losses_of(labels[rows], probabilities[rows])
    # An exact sum: the order of rows must not change the temperature by a bit.
    value = _least(lambda power: math.fsum(weights[rows] * loss(power)))
    return Temperature(value, labels.ndim == 2)


Losses = Callable[[float], Floats]
"""1 / temperature -> (n,) log losses."""


def losses_of(labels: Labels, probabilities: Probabilities) -> Losses:
    """Of each row at any temperature. labels (n,) and probabilities (n, C), or both (n, L)."""
    clipped = np.clip(probabilities.astype(np.float64), LEAST, 1 - LEAST)
    return (_label_losses if labels.ndim == 2 else _class_losses)(labels, clipped)


def _class_losses(labels: Labels, clipped: Floats) -> Losses:
    logs = np.log(np.ascontiguousarray(clipped.T))  # (C, n): numpy adds long rows faster than many short ones
    logs -= logs.max(axis=0)
    own = logs[labels, np.arange(len(labels))]
    return lambda power: np.log(np.exp(power * logs).sum(axis=0)) - power * own


def _label_losses(labels: Labels, clipped: Floats) -> Losses:
    odds = np.where(labels == 1, -1.0, 1.0) * (np.log(clipped) - np.log1p(-clipped))
    return lambda power: np.logaddexp(0.0, power * odds).mean(axis=1)


def _least(loss: Callable[[float], float]) -> float:
    """The temperature within LIMITS at which the loss, of 1 / temperature, is least."""
    from scipy.optimize import minimize_scalar  # a tenth of a second, which not every command should pay

    found = minimize_scalar(
        lambda log_value: loss(math.exp(-log_value)),
        bounds=tuple(np.log(LIMITS)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(math.exp(found.x))


def calibrate(
    rows: JudgedRows, answers: Answers, row_weights: NDArray[np.floating] | None = None
) -> Calibration:
    """Fitted to `answers`, cross-fitted by their folds; accepted where the log loss falls by over one SE."""
    weights = rows.weights(row_weights)
    fitted = fit_temperature(rows.labels, answers.final, weights)
    folds = [fold for fold in answers.without if (weights[rows.folds == fold] > 0).any()]
    without = dict(answers.without)
    for fold in folds if len(folds) > 1 else []:
        rest = np.where(rows.folds == fold, 0.0, weights)
        without[fold] = fit_temperature(rows.labels, without[fold], rest).apply(without[fold])
    before = answers.crossed(rows.folds)
    if len(folds) > 1:
        changed = Answers(fitted.apply(answers.final), without)
        after, weights = changed.crossed(rows.folds), answers.honest(rows.folds, weights)
        gate = paired_gate(rows.by("log_loss", "min"), before, after, weights)
    else:
        changed, after, gate = answers, before, refused(ONE_FOLD)
    return Calibration(
        temperature=fitted if gate.accepted else Temperature(1.0, rows.multi_label),
        gate=gate,
        before=calibration_scores(rows.labels, before, weights),
        after=calibration_scores(rows.labels, after, weights),
        answers=changed if gate.accepted else answers,
    )


def calibration_scores(labels: Labels, probabilities: Probabilities, weights: Floats) -> CalibrationScores:
    """Of the rows of positive weight, weighted."""
    brier = np.average(brier_losses(labels, probabilities)[:, 0], weights=weights)
    nll = np.average(log_losses(labels, probabilities)[:, 0], weights=weights)
    return CalibrationScores(float(nll), float(brier), equal_mass_ece(labels, probabilities, weights))


def equal_mass_ece(labels: Labels, probabilities: Probabilities, weights: Floats, bins: int = BINS) -> float:
    """Expected calibration error, in `bins` bins of equal weight.

    Rows are sorted by the probability of the class that is predicted; rows of the same probability stay
    together. The error is the mean over rows of their bin's |share that is right - mean probability|. Of
    several labels, the mean of each one's own, by the probability of the label. Source: Nixon, Dusenberry,
    Zhang, Jerfel, Tran, CVPR workshops 2019, "Measuring calibration in deep learning".
    """
    right, sure = claims(labels, probabilities)
    return float(np.mean([_ece(*claim, weights, bins) for claim in zip(right.T, sure.T, strict=True)]))


def claims(labels: Labels, probabilities: Probabilities) -> tuple[NDArray[np.bool_], Probabilities]:
    """(n, L) whether each answer is right, and its probability; L is 1 where a row has one label, and the
    answer the class that is predicted. Of several labels it is whether the label holds."""
    if labels.ndim == 2:
        return labels == 1, probabilities
    top = probabilities.argmax(axis=1)
    return (top == labels)[:, None], probabilities[np.arange(len(top)), top][:, None]


def _ece(right: NDArray[np.bool_], chances: NDArray[np.float32], weights: Floats, bins: int) -> float:
    own = equal_mass_bins(chances, weights, bins)
    errors = np.bincount(own, weights * (right - chances.astype(np.float64)), bins)
    return float(np.abs(errors).sum() / weights.sum())


def equal_mass_bins(
    chances: NDArray[np.floating], weights: Floats | None = None, bins: int = BINS
) -> NDArray[np.intp]:
    """(n,) each row's bin, in [0, bins), of equal weight; rows of the same probability lie in one."""
    values, of = np.unique(chances, return_inverse=True)
    mass = np.bincount(of, weights, len(values))
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    found: NDArray[np.intp] = np.minimum((middle * bins).astype(np.intp), bins - 1)[of]
    return found

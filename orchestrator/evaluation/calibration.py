"""Temperature after averaging. Pure. Source: Guo, Pleiss, Sun, Weinberger, ICML 2017."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics.row_sums import log_losses
from orchestrator.evaluation.gate import Gate, paired_gate
from orchestrator.evaluation.pool import Answers, JudgedRows
from orchestrator.evaluation.voting import LEAST

LIMITS = (0.05, 20.0)


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
    nll: float
    brier: float
    ece: float


@dataclass(frozen=True)
class Calibration:
    """A temperature that was accepted or not (then it is 1), and what it changes on other rows."""

    temperature: Temperature
    gate: Gate  # of the log loss
    before: CalibrationScores
    after: CalibrationScores  # cross-fitted
    answers: Answers  # after the temperature, if it was accepted


def fit_temperature(
    labels: Labels, probabilities: Probabilities, row_weights: NDArray[np.floating] | None = None
) -> Temperature:
    """The temperature of the least log loss. labels (n,) and probabilities (n, C), or both (n, L)."""
    from scipy.optimize import minimize_scalar

    weights = np.ones(len(labels)) if row_weights is None else np.asarray(row_weights, np.float64)
    known = weights > 0
    own, chances, weights = labels[known], probabilities[known], weights[known]

    def loss(log_value: float) -> float:
        changed = Temperature(float(np.exp(log_value)), labels.ndim == 2).apply(chances)
        return float(np.average(log_losses(own, changed)[:, 0], weights=weights))

    found = minimize_scalar(loss, bounds=tuple(np.log(LIMITS)), method="bounded", options={"xatol": 1e-4})
    return Temperature(float(np.exp(found.x)), labels.ndim == 2)


def calibrate(
    rows: JudgedRows, answers: Answers, row_weights: NDArray[np.floating] | None = None
) -> Calibration:
    """Fitted to `answers`, cross-fitted by their folds; accepted where the log loss falls by over one SE."""
    weights = rows.weights(row_weights)
    fitted = fit_temperature(rows.labels, answers.final, weights)
    without = {
        fold: fit_temperature(rows.labels, item, np.where(rows.folds == fold, 0.0, weights)).apply(item)
        for fold, item in answers.without.items()
    }
    changed = Answers(fitted.apply(answers.final), without)
    before, after = answers.crossed(rows.folds), changed.crossed(rows.folds)
    gate = paired_gate(rows.by("log_loss", "min"), before, after, weights)
    if not without:
        gate = Gate(float("nan"), float("nan"), False, "one fold cannot be left out: nothing is fitted")
    return Calibration(
        temperature=fitted if gate.accepted else Temperature(1.0, rows.multi_label),
        gate=gate,
        before=calibration_scores(rows.labels, before, weights),
        after=calibration_scores(rows.labels, after, weights),
        answers=changed if gate.accepted else answers,
    )


def calibration_scores(labels: Labels, probabilities: Probabilities, weights: Floats) -> CalibrationScores:
    from orchestrator.core.metrics import score

    known = weights > 0
    found = [score(name, labels[known], probabilities[known]) for name in ("log_loss", "brier", "ece")]
    return CalibrationScores(*found)

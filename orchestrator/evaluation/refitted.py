"""An ensemble's stored answers with its temperature and decisions fitted anew, without each row's fold. Pure.

The stored answers have a temperature that was fitted to all rows, these among them: what they say of a row's
calibration, or of its class after decisions, flatters. Members and their weights stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from orchestrator.core.arrays import Probabilities
from orchestrator.evaluation.calibration import Temperature, fit_temperature
from orchestrator.evaluation.decisions import Decisions, fit_decisions, kind_for
from orchestrator.evaluation.pool import JudgedRows


def without_temperature(probabilities: Probabilities, temperature: Temperature) -> Probabilities:
    """(n, C): what `temperature` was applied to."""
    return replace(temperature, value=1 / temperature.value).apply(probabilities)


def refitted(
    rows: JudgedRows,
    probabilities: Probabilities,
    temperature: Temperature | None,
    decisions: Decisions | None,
) -> tuple[Probabilities, Probabilities]:
    """Calibrated answers (n, C), and the same with decisions in them: each row by what was fitted to the
    other folds' rows. None: the ensemble has none. With one fold, as stored.

    probabilities (n, C): with `temperature`, before decisions.
    """
    folds = np.unique(rows.folds)
    if len(folds) < 2:
        return probabilities, probabilities if decisions is None else decisions.apply(probabilities)
    plain = probabilities if temperature is None else without_temperature(probabilities, temperature)
    calibrated, decided = plain.copy(), plain.copy()
    for fold in folds:
        own = rows.folds == fold
        answers, rest = plain, (~own).astype(np.float64)
        if temperature is not None:
            answers = fit_temperature(rows.labels, plain, rest).apply(plain)
        calibrated[own] = answers[own]
        found = None if decisions is None else fit_decisions(_judged_by(rows, decisions), answers, rest)
        decided[own] = (answers if found is None else found.apply(answers))[own]
    return calibrated, decided


def _judged_by(rows: JudgedRows, decisions: Decisions) -> JudgedRows:
    """Decisions under a metric that looks at probabilities alone were fitted to macro-F1."""
    fits = kind_for(rows.metric, rows.labels) == decisions.kind
    return rows if fits else rows.by("macro_f1", "max")

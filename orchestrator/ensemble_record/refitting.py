"""An ensemble's stored answers, each row by a temperature and decisions fitted to the other folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.ensemble_record.record import EnsembleRecord
from orchestrator.evaluation.calibration import Temperature
from orchestrator.evaluation.decisions import Decisions
from orchestrator.evaluation.pool import JudgedRows
from orchestrator.evaluation.refitted import refitted


def refitted_answers(
    record: EnsembleRecord,
    labels: Labels,
    probabilities: Probabilities,
    folds: NDArray[np.int16],
    codes: NDArray[np.int64],
) -> tuple[Probabilities, Probabilities]:
    """Calibrated (n, C), and the same with decisions in them, as `evaluation.refitted`. probabilities: as
    stored; codes (n,): each row's group as a number."""
    temperature = None if record.temperature is None else Temperature.from_json(record.temperature)
    decisions = None if record.decisions is None else Decisions.from_json(record.decisions)
    rows = JudgedRows(labels=labels, folds=folds, codes=codes, metric=record.metric, mode=record.mode)
    return refitted(rows, probabilities, temperature, decisions)

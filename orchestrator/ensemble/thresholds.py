"""The thresholds of several labels, beside the ensemble whose out-of-fold rows they were fitted to."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.core.errors import EnsembleError
from orchestrator.evaluation.thresholds import HALF, Thresholds, fit_thresholds
from orchestrator.study.predictions import Prediction

FILE = "thresholds.json"


def write_thresholds(folder: Path, prediction: Prediction) -> None:
    """Of several labels; a label that is one of several classes has none. Raises OSError."""
    if prediction.labels.ndim == 2:
        fitted = fit_thresholds(prediction.labels, prediction.probabilities, prediction.folds)
        (folder / FILE).write_text(json.dumps(fitted.to_json(), indent=1), encoding="utf-8")


def read_thresholds(folder: Path) -> Thresholds | None:
    """None where there are none. Raises EnsembleError for a file that is damaged."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return Thresholds.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnsembleError(
            f"{path} is damaged ({type(error).__name__}: {error}); write the ensemble anew"
        ) from error


def thresholds_line(thresholds: Thresholds, labels: tuple[str, ...]) -> str:
    """One line for the user."""
    always = ", each row with at least one" if thresholds.at_least_one else ""
    fitted = "each row cut at what the other folds' rows were fitted to"
    if thresholds.f1 < thresholds.f1_at_half and set(thresholds.values) == {HALF}:
        return (
            f"thresholds: 0.5 for every label, mean F1 of the labels {thresholds.f1_at_half:.4f}{always}; "
            f"fitted ones gain nothing ({thresholds.f1:.4f}, {fitted})"
        )
    each = ", ".join(f"{name} {value:.3f}" for name, value in zip(labels, thresholds.values, strict=True))
    return (
        f"thresholds: {each}; mean F1 of the labels {thresholds.f1:.4f}{always}, {fitted} "
        f"({thresholds.f1_at_half:.4f} at 0.5)"
    )

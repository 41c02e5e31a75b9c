"""The thresholds of several labels, which an ensemble fitted to its out-of-fold rows."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.core.errors import EnsembleError
from orchestrator.ensemble.format_1 import THRESHOLDS
from orchestrator.ensemble.record import RECORD, read_record
from orchestrator.evaluation.thresholds import HALF, Thresholds


def read_thresholds(folder: Path) -> Thresholds | None:
    """None where there are none. Raises EnsembleError for a folder that is damaged."""
    path = folder / THRESHOLDS
    if path.exists():  # beside a record of format 1
        try:
            return Thresholds.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EnsembleError(
                f"{path} is damaged ({type(error).__name__}: {error}); write the ensemble anew"
            ) from error
    if not (folder / RECORD).exists():
        return None
    decisions = read_record(folder).decisions
    is_cut = decisions is not None and decisions["kind"] == "thresholds"
    return Thresholds.from_json(decisions) if decisions is not None and is_cut else None


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

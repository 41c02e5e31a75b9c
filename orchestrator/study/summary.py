"""A study at one glance, as a small HTML table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from orchestrator.core.json_text import parse_json
from orchestrator.core.regular_files import read_file

_CORRECTED = ("bbc_race", "bbc")
"""Keys of an ensemble's estimates that correct for how it was chosen, the one that corrects more first."""


@dataclass(frozen=True)
class StudySummary:
    """What a notebook shows of a study first."""

    path: Path
    metric: str  # and its mode
    state: str  # as Study.state
    trials: int  # that were proposed
    complete: int  # that have all folds
    best: tuple[int, float] | None  # trial and its mean over folds; None while no trial is complete
    folds: Sequence[float]  # the best trial's scores
    estimate: str | None  # of an ensemble of it, with its interval; None where none was built


def study_html(summary: StudySummary) -> str:
    """A table with a caption; everything that comes from data is escaped."""
    rows = {
        "metric": summary.metric,
        "state": f"{summary.state}, {summary.complete} of {summary.trials} trials complete",
        "best": "no complete trial" if summary.best is None else "trial {}: {:.4f}".format(*summary.best),
        "folds": ", ".join(f"{score:.4f}" for score in summary.folds),
        "estimate": summary.estimate,
    }
    cells = "".join(
        f"<tr><th style='text-align: left'>{name}</th><td style='text-align: left'>{escape(text)}</td></tr>"
        for name, text in rows.items()
        if text
    )
    return f"<table><caption>Study {escape(str(summary.path))}</caption><tbody>{cells}</tbody></table>"


def newest_estimate(study: Path) -> str | None:
    """The honest score of the newest ensemble in a study's folder; None where there is none."""
    records = sorted(study.glob("*/ensemble.json"), key=lambda path: path.stat().st_mtime_ns)
    return _estimate(records[-1]) if records else None


def _estimate(path: Path) -> str | None:
    try:
        found = parse_json(read_file(path))["estimates"]
        if isinstance(found, list):  # of format 2; before it there was an object by keys
            found = {item["key"]: item for item in found}
        return _words(next(found[key] for key in _CORRECTED if key in found), path.parent.name)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None  # torn, or of another version: it is no part of the study


def _words(record: Mapping[str, Any], name: str) -> str:
    interval = f"{record['level']:.0%} interval {record['low']:.4f} to {record['high']:.4f}"
    return f"{record['score']:.4f}, {interval} ({name}, {record['method']})"

"""Folders that versions 0.1 to 0.3 wrote, read as what ensemble.json says now.

They have one route and no weights; what their scores mean lies in estimates.json beside the record, and the
thresholds of several labels in thresholds.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.core.errors import EnsembleError
from orchestrator.core.json_text import parse_json
from orchestrator.core.regular_files import read_file
from orchestrator.core.typed_fields import check_fields
from orchestrator.data.targets import given_from_json, target_from_json
from orchestrator.ensemble_record.record import Component, EnsembleRecord, Member, Route
from orchestrator.evaluation.estimate import Estimate

WORDS = "estimates.json"
THRESHOLDS = "thresholds.json"
_VOTES = ("soft", "hard")


def record_of_format_1(folder: Path, record: Mapping[str, Any]) -> EnsembleRecord:
    """record: its ensemble.json. Raises KeyError, TypeError, ValueError, AttributeError, InputError."""
    if record["vote"] not in _VOTES:
        raise ValueError(f"vote {record['vote']!r} is none of {', '.join(_VOTES)}")
    terms = tuple(_component(part, record["vote"]) for part in record["parts"])
    made = EnsembleRecord(
        target_from_json(record["target"]),
        str(record["metric"]),
        str(record["mode"]),
        (Route(1.0, terms),),
        record["tta"],
        decisions=_decisions(folder),
        spellings=dict(record.get("spellings", {})),
        estimates=_estimates(folder, record),
        metrics=dict(record.get("metrics", {})),
        studies=[str(part["study"]) for part in record["parts"]],
        candidates=list(record["estimates"].get("candidates", [])),
        manifest=dict(record["manifest"]),
        fold_plan=dict(record["fold_plan"]),
        train_digest=record.get("train_digest"),
    )
    check_fields(EnsembleRecord, vars(made))
    made.check()
    return made


def _component(part: Mapping[str, Any], vote: str) -> Component:
    share = 1 / max(len(part["members"]), 1)
    own = {key: part[key] for key in ("study", "trainable", "own_code") if key in part}
    members = tuple(Member.from_json({**own, **item, "weight": share}) for item in part["members"])
    if not members:
        raise ValueError("a part without members")
    return Component(
        target_from_json(part["target"]), members, given_from_json(part.get("given")), vote, in_order=True
    )


def _estimates(folder: Path, record: Mapping[str, Any]) -> dict[str, Estimate]:
    """A folder of version 0.1 has no meanings."""
    try:
        words = _json_beside(folder / WORDS)
        if words is None:
            metric = record["metric"]
            words = {"naive": {"title": f"OOF {metric}"}, "bbc": {"title": f"BBC-CV {metric}"}}
        return {key: Estimate.from_json({**record["estimates"][key], **said}) for key, said in words.items()}
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder / WORDS, error) from error


def _decisions(folder: Path) -> dict[str, Any] | None:
    """thresholds.json, as decisions of that kind."""
    try:
        found = _json_beside(folder / THRESHOLDS)
        return None if found is None else {"kind": "thresholds", **found}
    except (OSError, TypeError, ValueError) as error:
        raise _damaged(folder / THRESHOLDS, error) from error


def _json_beside(path: Path) -> dict[str, Any] | None:
    return dict(parse_json(read_file(path))) if path.exists() else None


def _damaged(path: Path, error: Exception) -> EnsembleError:
    return EnsembleError(f"{path} is damaged ({type(error).__name__}: {error}); write the ensemble anew")

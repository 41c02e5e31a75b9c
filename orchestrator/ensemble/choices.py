"""What was considered at each step of an ensemble's making, what was taken, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.core.metrics import score
from orchestrator.ensemble.composing import Composed, Options, Pools
from orchestrator.ensemble.members import EnsembleInputs
from orchestrator.ensemble.scoring import MemberScores, Scores, TermScores
from orchestrator.evaluation.calibration import Calibration
from orchestrator.evaluation.choose_vote import Considered
from orchestrator.evaluation.decisions import kind_for
from orchestrator.evaluation.gate import Gate

DECISIONS = {
    "offsets": "class offsets",
    "cut_points": "cut points",
    "thresholds": "a threshold for each label",
}
"""Kind of decisions -> what it is called."""


@dataclass(frozen=True)
class Step:
    """One choice among alternatives, the simplest first."""

    name: str  # such as "vote on age"
    metric: str
    taken: str  # name of the one that was taken
    considered: tuple[Considered, ...]


def steps_of(pools: Pools, composed: Composed) -> list[Step]:
    """In the order in which they were made."""
    found = [*_votes(pools, composed), *_blend(pools, composed), *_calibration(composed)]
    return [*found, *_decisions(pools, composed)]


def choice_json(inputs: EnsembleInputs, scores: Scores, options: Options) -> dict[str, Any]:
    """As it stands in ensemble.json."""
    steps = [
        {
            "step": step.name,
            "metric": step.metric,
            "taken": step.taken,
            "considered": [item.to_json() for item in step.considered],
        }
        for step in steps_of(scores.pools, scores.composed)
    ]
    terms = [
        _term_json(item.term.source, scored)
        for route, own in zip(inputs.routes, scores.terms, strict=True)
        for item, scored in zip(route.terms, own, strict=True)
    ]
    calibration = scores.composed.calibration
    return {
        "options": {"vote": options.vote, "calibrate": options.calibrate, "decide": options.decide},
        "steps": steps,
        "terms": terms,
        "calibration": None if calibration is None else calibration_json(calibration),
    }


def calibration_json(found: Calibration) -> dict[str, Any]:
    """Log loss, Brier score and ECE before and after, each fold's rows by the other folds' temperature."""
    return {"before": vars(found.before), "after": vars(found.after)}


def _term_json(name: str, scored: TermScores) -> dict[str, Any]:
    return {
        "studies": name,
        "vote": _member_json(scored.vote),
        "members": [_member_json(item) for item in scored.members],
    }


def _member_json(item: MemberScores) -> dict[str, Any]:
    numbers = {"oof": item.oof, "mean": item.folds.mean, "sd": item.folds.sd}
    return {"name": item.name, "weight": item.weight, **numbers, "folds": dict(item.folds.scores)}


def _votes(pools: Pools, composed: Composed) -> Iterator[Step]:
    several = sum(len(route.terms) for route in pools.routes) > 1
    for route, own in zip(pools.routes, composed.terms, strict=True):
        for item, fitted in zip(route.terms, own, strict=True):
            name = f"vote on {item.term}" if several else "vote"
            yield Step(name, item.pool.metric, fitted.name, fitted.considered)


def _blend(pools: Pools, composed: Composed) -> list[Step]:
    if not composed.blend.candidates:
        return []
    return [Step("product or joint", pools.rows.metric, composed.blend.name, composed.blend.candidates)]


def _calibration(composed: Composed) -> list[Step]:
    found = composed.calibration
    if found is None:
        return []
    plain, fitted = "as voted", "temperature"
    if found.gate.accepted:
        fitted = f"temperature {found.temperature.value:.3g}"
    considered = _pair((plain, found.before.nll), (fitted, found.after.nll), found.gate)
    return [Step("calibration", "log_loss", fitted if found.gate.accepted else plain, considered)]


def _decisions(pools: Pools, composed: Composed) -> list[Step]:
    found = composed.decisions
    if found is None or found.gate is None:
        return []
    labels, rows = pools.rows.multi_label, pools.rows
    judged_by = (
        replace(rows, metric="macro_f1", mode="max") if kind_for(rows.metric, rows.labels) is None else rows
    )
    before = score(judged_by.metric, rows.labels, composed.answers.crossed(rows.folds))
    after = before + judged_by.sign * found.gate.gain
    kind = kind_for(judged_by.metric, rows.labels)
    plain, fitted = "0.5 for every label" if labels else "most probable class", DECISIONS[str(kind)]
    considered = _pair((plain, before), (fitted, after), found.gate)
    return [Step("decisions", judged_by.metric, fitted if found.decisions else plain, considered)]


def _pair(simpler: tuple[str, float], richer: tuple[str, float], gate: Gate) -> tuple[Considered, ...]:
    return Considered(*simpler, Gate(0.0, 0.0, True, "the simplest")), Considered(*richer, gate)

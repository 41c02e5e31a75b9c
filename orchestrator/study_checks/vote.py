"""FO005: the vote is worse than one of its members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.core.choices import VOTE_KINDS
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.ensemble_record.record import Component, EnsembleRecord, Member
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO005"
AUTO = VOTE_KINDS[0]
CLEAR = 2.0
"""Paired standard errors from which it is more than the luck of the best of several members."""


def look(material: Material) -> Iterator[Finding]:
    component = _the_vote(material)
    best = _best(component, material.sign)
    vote = float(material.record.metrics[material.record.metric]["mean"])
    behind = material.sign * (best.score - vote)
    whole = replace(material.ensemble_answered, probabilities=material.ensemble_refitted[1])
    found = material.resampled(CODE, whole, material.answered(best.trial))
    error = float((found[1:, 1] - found[1:, 0]).std())
    said = (
        f"the vote of {len(component.members)} trials has {vote:.4f} {material.record.metric} (mean of "
        f"folds), trial {best.trial} alone {best.score:.4f}: the vote is "
        f"{abs(behind) / max(error, 1e-9):.1f} paired standard errors "
        f"{'worse' if behind > 0 else 'better'}; {_fitted_here(material)} fitted to these "
        "rows, which flatters it"
    )
    if behind <= 0:
        yield fine(CODE, said)
        return
    level = Level.WARNING if behind > CLEAR * error else Level.NOTE
    yield coded(CODE, level, said, _way_out(material.record), trials=(best.trial,))


def _way_out(record: EnsembleRecord) -> str:
    """Not the choice that was made already."""
    if record.choice.get("options", {}).get("vote") != AUTO:
        return "python -m orchestrator.ensemble --vote auto chooses between them on rows not fitted to"
    steps = record.choice.get("steps") or [{"taken": None, "considered": []}]
    taken = [item for item in steps[0]["considered"] if item["name"] == steps[0]["taken"]]
    told = [item for item in taken if item["gain"] is not None and item["se"] is not None]
    gained = "".join(f": {item['gain']:+.4f} for the vote, standard error {item['se']:.4f}" for item in told)
    return f"keep the vote: --vote auto compared the two on rows that neither was fitted to{gained}"


def _fitted_here(material: Material) -> str:
    return "its weights were" if material.record.decisions is None else "its weights and its decisions were"


def _the_vote(material: Material) -> Component:
    record = material.record
    if len(record.components) > 1 or record.studies != [material.snapshot.name]:
        raise UnseenError("the ensemble combines several studies or targets")
    component = record.components[0]
    if len(component.members) < 2:
        raise UnseenError("the ensemble is one trial alone")
    if record.metric != material.space.metric or record.metrics.get(record.metric, {}).get("mean") is None:
        raise UnseenError("the ensemble's record does not say its score")
    return component


def _best(component: Component, sign: float) -> Member:
    return max(component.members, key=lambda member: sign * member.score)

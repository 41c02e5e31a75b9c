"""From what was composed and scored to the record of an ensemble's folder, and the folder itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.core.callbacks import Progress
from orchestrator.data.extra_rows import train_digest
from orchestrator.ensemble.choices import choice_json
from orchestrator.ensemble.composing import FittedTerm, Options
from orchestrator.ensemble.members import EnsembleInputs, StudyCandidates, TermStudies
from orchestrator.ensemble.scoring import Scores
from orchestrator.ensemble.trained_on import trained_rows
from orchestrator.ensemble.writing import StoredMember, Tables, member_of, spellings_of, write_folder
from orchestrator.ensemble_record.record import Component, EnsembleRecord, Route
from orchestrator.study.predictions import Prediction
from orchestrator.study.study import CandidateTrial


def write_ensemble(
    out: Path,
    inputs: EnsembleInputs,
    scores: Scores,
    options: Options,
    tta: str | None,
    progress: Progress | None = None,
) -> None:
    """Raises EnsembleError, StudyError, StorageError.

    tta: views of an image in predictions; None leaves each member its own.
    """
    paths = [str(path) for path in inputs.manifest.frame["path"]]
    trained = [trained_rows(study.study.manifest(), study.space) for study in inputs.studies]
    stored = {
        (study.name, trial.number): StoredMember.of(study, trial)
        for study in inputs.studies
        for trial in study.trials
    }
    tables = Tables(_in_manifest_order(scores.prediction), paths, trained)
    write_folder(out, record_of(inputs, scores, options, tta, paths), stored, tables, progress)


def record_of(
    inputs: EnsembleInputs, scores: Scores, options: Options, tta: str | None, paths: Sequence[str]
) -> EnsembleRecord:
    """paths: of every manifest row."""
    composed, manifest, plan = scores.composed, inputs.manifest, inputs.plan
    calibration, decisions = composed.calibration, composed.decisions
    routes = tuple(
        Route(weight, tuple(_component(*pair) for pair in zip(route.terms, terms, strict=True)))
        for weight, route, terms in zip(composed.blend.weights, inputs.routes, composed.terms, strict=True)
        if weight > 0
    )
    return EnsembleRecord(
        target=inputs.target,
        metric=inputs.metric,
        mode=inputs.mode,
        routes=routes,
        tta=tta,
        temperature=None if calibration is None else _temperature(calibration.temperature.to_json()),
        decisions=None if decisions is None or decisions.decisions is None else decisions.decisions.to_json(),
        spellings=spellings_of(inputs),
        choice=choice_json(inputs, scores, options),
        estimates=scores.estimates,
        metrics=scores.metrics_json(),
        comparisons=[item.to_json() for item in scores.comparisons],
        studies=[study.name for study in inputs.studies],
        candidates=scores.candidates,
        manifest={"name": manifest.name, "fingerprint": manifest.fingerprint},
        fold_plan={"k": plan.k, "seed": plan.seed, "fingerprint": plan.fingerprint},
        train_digest=train_digest(paths, plan.folds),
    )


def _component(term: TermStudies, fitted: FittedTerm) -> Component:
    vote, trials = fitted.vote, _trials(term)
    members = tuple(member_of(*trials[number], vote.weights[number]) for number in vote.members)
    temperature = None if fitted.calibration is None else fitted.calibration.temperature.to_json()
    first = term.studies[0].space
    vote = vote.only()
    return Component(
        first.target, members, first.given, vote.kind, _temperature(temperature), quantiles=vote.quantiles
    )


def _trials(term: TermStudies) -> list[tuple[StudyCandidates, CandidateTrial]]:
    """In the order of the term's pool."""
    return [(study, trial) for study in term.studies for trial in study.trials]


def _temperature(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """None where it changes nothing."""
    return None if record is None or record["value"] == 1 else record


def _in_manifest_order(found: Prediction) -> Prediction:
    order = np.argsort(found.rows, kind="stable")
    return Prediction(found.rows[order], found.probabilities[order], found.labels[order], found.folds[order])

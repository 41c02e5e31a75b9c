"""The out-of-fold answers that a report's errors are about, with what each row is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.task import Task
from orchestrator.ensemble_record.refitting import refitted_answers
from orchestrator.evaluation.class_scores import codes_of
from orchestrator.report.recommended import Recommended, recommended
from orchestrator.snapshot import StudySnapshot
from orchestrator.space.condition import condition_mask
from orchestrator.study.predictions import Prediction


@dataclass(frozen=True)
class JudgedAnswers:
    """Of n rows, none answered by a model that trained on it or its group."""

    name: str  # whose they are, such as "trial 7"
    task: Task
    rows: NDArray[np.int64]  # (n,) in the first study's manifest
    labels: Labels  # (n,), or (n, L)
    probabilities: Probabilities  # (n, C) or (n, L), calibrated where it has a temperature
    decided: Probabilities  # the same with decisions in them
    folds: NDArray[np.int16]  # (n,)
    groups: NDArray[np.str_]  # (n,)
    has_groups: bool  # else each row is its own
    caveat: str  # a sentence: what was chosen or fitted on these same rows


def judged_answers(snapshot: StudySnapshot) -> JudgedAnswers | None:
    """Of what the report recommends; None where there is nothing yet, or its answers cannot be read."""
    found = recommended(snapshot)
    if found is None or found.prediction is None or not len(found.prediction.rows):
        return None
    return _of_ensemble(snapshot, found) if found.ensemble is not None else _of_trial(snapshot, found)


def answers_of_trial(snapshot: StudySnapshot, trial: int) -> JudgedAnswers | None:
    """Of a complete trial."""
    prediction = snapshot.oof(trial)
    if prediction is None or not len(prediction.rows):
        return None
    return _of_trial(snapshot, Recommended(f"trial {trial}", snapshot.space.target, prediction, trial=trial))


CHOSEN_TRIAL = (
    "The trial, and the epoch of each of its folds, were chosen by these same rows, so the numbers flatter."
)


def _of_trial(snapshot: StudySnapshot, found: Recommended) -> JudgedAnswers:
    assert found.prediction is not None  # whoever asks has looked
    prediction, manifest = found.prediction, snapshot.manifest
    mask = None if manifest is None else condition_mask(snapshot.space, manifest.frame)
    if mask is not None:
        prediction = _only(prediction, mask[prediction.rows])
    groups, has_groups = _groups(snapshot, prediction)
    own = prediction.probabilities
    return JudgedAnswers(
        found.name, found.target.task, prediction.rows, prediction.labels, own, own, prediction.folds, groups,
        has_groups, CHOSEN_TRIAL,
    )  # fmt: skip


def _of_ensemble(snapshot: StudySnapshot, found: Recommended) -> JudgedAnswers:
    assert found.prediction is not None and found.ensemble is not None  # whoever asks has looked
    prediction, record = _in_manifest(snapshot, found.prediction), found.ensemble.record
    groups, has_groups = _groups(snapshot, prediction)
    calibrated, decided = refitted_answers(
        record, prediction.labels, prediction.probabilities, prediction.folds, codes_of(groups)[0]
    )
    return JudgedAnswers(
        found.name, found.target.task, prediction.rows, prediction.labels, calibrated, decided,
        prediction.folds, groups, has_groups,
        _caveat(record.temperature is not None, record.decisions is not None),
    )  # fmt: skip


def _caveat(has_temperature: bool, has_decisions: bool) -> str:
    parts = [name for name, has in (("temperature", has_temperature), ("decisions", has_decisions)) if has]
    refitted = f" Here each row has the {' and '.join(parts)} of the other folds." if parts else ""
    return f"Members, weights and epochs were chosen by these same rows, so the numbers flatter.{refitted}"


def _only(prediction: Prediction, kept: NDArray[np.bool_]) -> Prediction:
    return Prediction(
        prediction.rows[kept], prediction.probabilities[kept], prediction.labels[kept],
        prediction.folds[kept], prediction.classes,
    )  # fmt: skip


def _in_manifest(snapshot: StudySnapshot, prediction: Prediction) -> Prediction:
    """With the row numbers of this study's manifest: an ensemble of several studies may have others."""
    manifest = snapshot.manifest
    if manifest is None or not prediction.paths:
        return prediction
    number = {path: at for at, path in enumerate(manifest.frame["path"].astype(str))}
    rows = np.array([number.get(path, -1) for path in prediction.paths], np.int64)
    return Prediction(
        rows, prediction.probabilities, prediction.labels, prediction.folds, prediction.classes,
        prediction.paths,
    )  # fmt: skip


def _groups(snapshot: StudySnapshot, prediction: Prediction) -> tuple[NDArray[np.str_], bool]:
    """(n,), and whether any group has two rows. Without a manifest each row is its own."""
    manifest, rows = snapshot.manifest, prediction.rows
    alone = rows.astype(str)
    if manifest is None or not len(rows) or rows.min() < 0 or rows.max() >= len(manifest.frame):
        return alone, False
    groups = manifest.frame["group"].to_numpy(dtype=str)[rows]
    return groups, len(np.unique(groups)) < len(groups)

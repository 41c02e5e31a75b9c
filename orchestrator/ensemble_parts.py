"""From studies to the parts of an ensemble: complete trials with their out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import EnsembleError, NoCompleteTrialError, StudyError
from orchestrator.folds import FoldPlan
from orchestrator.manifest import Manifest
from orchestrator.predictions import Prediction, assemble, fold_from_bytes
from orchestrator.space import SearchSpace
from orchestrator.study import CompleteTrial, Study
from orchestrator.targets import Joint, Target
from orchestrator.trial import CheckpointStore


@dataclass(frozen=True)
class StudyPart:
    """One study's complete trials, best first, and their predictions; the first `top` are members."""

    study: Study
    space: SearchSpace
    trials: tuple[CompleteTrial, ...]
    predictions: tuple[Prediction, ...]
    top: int

    @property
    def name(self) -> str:
        return self.study.path.name

    @property
    def members(self) -> tuple[tuple[CompleteTrial, Prediction], ...]:
        return tuple(zip(self.trials, self.predictions, strict=True))[: self.top]


@dataclass(frozen=True)
class Parts:
    """Studies on the same rows and folds, in the order of the target's parts.

    labels, groups, rows: of the rows that have a fold, as in every part's predictions.
    """

    studies: tuple[StudyPart, ...]
    target: Target
    manifest: Manifest
    plan: FoldPlan
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]

    @property
    def groups(self) -> NDArray[np.str_]:
        return self.manifest.frame["group"].astype(str).to_numpy(dtype=str)[self.rows]

    @property
    def folds(self) -> NDArray[np.int16]:
        folds: NDArray[np.int16] = self.plan.folds[self.rows]
        return folds

    @property
    def metric(self) -> str:
        return self.studies[0].space.metric

    @property
    def mode(self) -> str:
        return self.studies[0].space.mode

    @property
    def is_joint(self) -> bool:
        return len(self.studies) > 1


def gather(paths: Sequence[Path], top: int | None) -> Parts:
    """The studies at `paths`, in any order. top: members of each study; None: the space's `finalists`.

    Raises EnsembleError when they don't belong together, NoCompleteTrialError when one has no complete trial.
    """
    studies = [Study.read(path) for path in paths]
    target, ordered = _in_order(studies)
    manifest, plan = _shared_rows(ordered)
    parts = tuple(_study_part(study, manifest, plan, top) for study in ordered)
    rows = parts[0].predictions[0].rows
    return Parts(parts, target, manifest, plan, rows, target.encode(manifest.frame)[rows])


def _in_order(studies: Sequence[Study]) -> tuple[Target, list[Study]]:
    if len(studies) == 1:
        return studies[0].space.target, list(studies)
    joint = _the_joint(studies)
    by_target: dict[Target, Study] = {}
    for study in studies:
        target = study.space.target
        if target in by_target:
            raise EnsembleError(
                f"studies {by_target[target].path} and {study.path} both have the target {target.name!r}; "
                "leave one of them out"
            )
        by_target[target] = study
    extra = [study for target, study in by_target.items() if target not in joint.parts]
    if extra:
        raise EnsembleError(
            f"study {extra[0].path} has the target {extra[0].space.target.name!r}, which is no part of the "
            f"joint target {joint.name!r} ({_names(joint)}); leave it out"
        )
    missing = [part.name for part in joint.parts if part not in by_target]
    if missing:
        raise EnsembleError(
            f"the joint target {joint.name!r} ({_names(joint)}) lacks a study of {', '.join(missing)}; "
            "add it with --study"
        )
    _same_metric(studies)
    return joint, [by_target[part] for part in joint.parts]


def _the_joint(studies: Sequence[Study]) -> Joint:
    first = studies[0].space.joint
    for study in studies:
        if study.space.joint is None:
            raise EnsembleError(
                f"study {study.path} says no joint target, so it cannot be combined with others; its space "
                "needs joint=joint(...)"
            )
        if study.space.joint != first:
            raise EnsembleError(
                f"studies {studies[0].path} and {study.path} have different joint targets; "
                "run them again with one"
            )
    if first is None:
        raise EnsembleError("no study given; name one with --study")
    return first


def _names(joint: Joint) -> str:
    return ", ".join(part.name for part in joint.parts)


def _same_metric(studies: Sequence[Study]) -> None:
    judged = {(study.space.metric, study.space.mode): study.path for study in studies}
    if len(judged) > 1:
        found = "; ".join(f"{metric} ({mode}) in {path}" for (metric, mode), path in judged.items())
        raise EnsembleError(f"the studies are judged by different metrics: {found}; run them with one")


def _shared_rows(studies: Sequence[Study]) -> tuple[Manifest, FoldPlan]:
    first, manifest, plan = studies[0], studies[0].manifest(), studies[0].fold_plan()
    for study in studies[1:]:
        if study.manifest().fingerprint != manifest.fingerprint:
            raise EnsembleError(
                f"studies {first.path} and {study.path} are on different manifests; their rows cannot be "
                "multiplied, run them on the same data"
            )
        if not np.array_equal(study.fold_plan().folds, plan.folds):
            raise EnsembleError(
                f"studies {first.path} and {study.path} have different folds (k, seed or stratify differ); "
                "an honest joint score needs the same ones"
            )
    return manifest, plan


def _study_part(study: Study, manifest: Manifest, plan: FoldPlan, top: int | None) -> StudyPart:
    space, trials = study.space, tuple(study.complete_trials())
    if not trials:
        raise NoCompleteTrialError(
            f"study {study.path} has no complete trial; continue it with "
            f"`python -m orchestrator.tune --resume --study {study.path.name} --runs {study.path.parent}`"
        )
    if top is not None and not 1 <= top <= len(trials):
        raise EnsembleError(
            f"--top {top}: study {study.path} has {len(trials)} complete trials; give 1 to that"
        )
    labels, store = space.target.encode(manifest.frame), study.store()
    predictions = tuple(_prediction(trial, store, labels, plan, study.path) for trial in trials)
    wanted = space.finalists if top is None else top
    return StudyPart(study, space, trials, predictions, min(wanted, len(trials)))


def _prediction(
    trial: CompleteTrial, store: CheckpointStore, labels: NDArray[np.int64], plan: FoldPlan, study: Path
) -> Prediction:
    """Assembled from what the fold runs stored, so that every row is checked against the fold plan."""
    try:
        parts = {best.fold: fold_from_bytes(store.get(best.oof)) for best in trial.bests}
        return assemble(parts, labels, plan.folds)
    except KeyError as error:
        raise StudyError(f"{study}: checkpoint {error} of trial {trial.number} is missing") from error
    except StudyError as error:
        raise StudyError(f"{study}: trial {trial.number}: {error}") from error

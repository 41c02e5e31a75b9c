"""From studies to what an ensemble is made of: complete trials with their out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import EnsembleError, NoCompleteTrialError, StudyError
from orchestrator.data.folds import FoldPlan
from orchestrator.data.manifest import FOLD_PLAN_DIGEST, ONLY_FOLD, Manifest
from orchestrator.data.scalars import to_scalars, to_text
from orchestrator.data.targets import Joint, Target
from orchestrator.ensemble.chain_rule import Term, resolve_terms
from orchestrator.space import SearchSpace
from orchestrator.space.condition import condition_mask
from orchestrator.space.own_code import known_beside
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.predictions import Prediction, assemble, fold_from_bytes
from orchestrator.study.study import CompleteTrial, Study, read_checkpoint


@dataclass(frozen=True)
class StudyCandidates:
    """One study's complete trials and their predictions; the first `top` are members."""

    study: Study
    space: SearchSpace
    trials: tuple[CompleteTrial, ...]  # best first
    predictions: tuple[Prediction, ...]  # of each trial, out-of-fold, of the same rows
    top: int
    condition_mask: NDArray[np.bool_] | None = None  # (n,), rows it learns from and is scored on; None: all

    @property
    def name(self) -> str:
        return self.study.path.name

    @property
    def members(self) -> tuple[tuple[CompleteTrial, Prediction], ...]:
        return tuple(zip(self.trials, self.predictions, strict=True))[: self.top]

    @property
    def term(self) -> Term:
        return Term(self.space.target, self.space.given, self.name)

    @property
    def rows_scored(self) -> int:
        mask = self.condition_mask
        return len(self.predictions[0].rows) if mask is None else int(mask.sum())

    def config(self, trial: CompleteTrial) -> dict[str, Any]:
        """With the defaults of the version that trained it."""
        return {**self.study.header.defaults, **trial.config}

    def validated_with(self) -> set[str]:
        """The members' test-time augmentations."""
        return {str(self.config(trial).get("tta") or "none") for trial, _ in self.members}


@dataclass(frozen=True)
class EnsembleInputs:
    """Studies with the same train rows and folds. Their n rows are those that have a fold.

    Of a single study with a condition, only the rows where it holds are among them.
    """

    studies: tuple[StudyCandidates, ...]  # in the order of `chain_rule.resolve_terms`
    target: Target  # what they predict together
    manifest: Manifest  # the first study's; the others' may have other rows with role extra
    plan: FoldPlan  # the first study's
    rows: NDArray[np.int64]  # (n,) row numbers in `manifest`, as in every study's predictions
    labels: NDArray[np.int64]  # (n,) classes of `target`; of several labels (n, L) of 0 and 1

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
    def combined(self) -> bool:
        return len(self.studies) > 1

    @property
    def terms(self) -> list[Term]:
        return [study.term for study in self.studies]


def gather(paths: Sequence[Path], top: int | None, trust: bool = False) -> EnsembleInputs:
    """The studies at `paths`, in any order. top: members of each study; None takes `space.finalists`.

    trust: whether metrics of their own may be imported that are neither installed nor known here.

    Raises EnsembleError when they don't belong together, NoCompleteTrialError when one has no complete trial.
    """
    studies = [Study(path, trust=trust) for path in paths]
    for study in studies:
        known_beside(study.header.own_code, [study.space.metric], study.path, trust)
    target, ordered = _in_order(studies)
    own = [_StudyRows(study.path, study.manifest(), study.fold_plan()) for study in ordered]
    for other in own[1:]:
        _refuse_other_rows(own[0], other)
    shared = own[0].train
    candidates = tuple(
        _study_candidates(study, rows, shared, top) for study, rows in zip(ordered, own, strict=True)
    )
    if len(candidates) == 1:
        candidates = (_only_scored(candidates[0]),)
    manifest, rows = own[0].manifest, candidates[0].predictions[0].rows
    labels = target.encode(manifest.frame.iloc[rows])
    return EnsembleInputs(candidates, target, manifest, own[0].plan, rows, labels)


@dataclass(frozen=True)
class _StudyRows:
    path: Path
    manifest: Manifest
    plan: FoldPlan

    @property
    def train(self) -> NDArray[np.int64]:
        """Row numbers of what is validated; the same rows may have others in another study."""
        return np.flatnonzero(self.plan.folds >= 0)

    def cells(self) -> dict[str, list[str | None]]:
        """What the train rows say, as text: another source's rows can change the type of a column."""
        frame = self.manifest.frame.iloc[self.train]
        names = [str(name) for name in frame.columns if name not in ("role", ONLY_FOLD, FOLD_PLAN_DIGEST)]
        texts = {name: [to_text(cell) for cell in to_scalars(frame[name])] for name in names}
        return {name: column for name, column in texts.items() if any(cell is not None for cell in column)}


def _in_order(studies: Sequence[Study]) -> tuple[Target, list[Study]]:
    if len(studies) == 1:
        return studies[0].space.target, list(studies)
    several = [study.path for study in studies if study.space.target.multi_label]
    if several:
        raise EnsembleError(
            f"study {several[0]} predicts several labels of an image at once, an answer by itself; build an "
            "ensemble of it alone"
        )
    terms = [Term(study.space.target, study.space.given, str(study.path)) for study in studies]
    target, order = resolve_terms(terms, _the_joint(studies))
    _same_metric(studies)
    return target, [studies[index] for index in order]


def _the_joint(studies: Sequence[Study]) -> Joint | None:
    """The joint target all studies name; None where no study names one."""
    said = [study.space.joint for study in studies]
    if not any(said):
        return None
    for study in studies:
        if study.space.joint is None:
            raise EnsembleError(
                f"study {study.path} says no joint target, so it cannot be combined with others; its space "
                "needs joint=joint(...)"
            )
        if study.space.joint != said[0]:
            raise EnsembleError(
                f"studies {studies[0].path} and {study.path} have different joint targets; "
                "run them again with one"
            )
    return said[0]


def _same_metric(studies: Sequence[Study]) -> None:
    judged = {(study.space.metric, study.space.mode): study.path for study in studies}
    if len(judged) > 1:
        found = "; ".join(f"{metric} ({mode}) in {path}" for (metric, mode), path in judged.items())
        raise EnsembleError(f"the studies are judged by different metrics: {found}; run them with one")


def _refuse_other_rows(first: _StudyRows, other: _StudyRows) -> None:
    mine, theirs = first.cells(), other.cells()
    differ = [name for name in dict.fromkeys([*mine, *theirs]) if mine.get(name) != theirs.get(name)]
    if differ:
        raise EnsembleError(
            f"studies {first.path} and {other.path} have different train rows (column {differ[0]!r}); they "
            "cannot be multiplied, run the studies on the same data with the same label fixes"
        )
    if not np.array_equal(first.plan.folds[first.train], other.plan.folds[other.train]):
        raise EnsembleError(
            f"studies {first.path} and {other.path} have different folds (k, seed or stratify differ); "
            "an honest joint score needs the same ones"
        )


def _study_candidates(
    study: Study, own: _StudyRows, shared: NDArray[np.int64], top: int | None
) -> StudyCandidates:
    """shared: the numbers that the train rows get, in their order."""
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
    labels, store = space.target.encode(own.manifest.frame), study.store()
    predictions = tuple(
        replace(_prediction(trial, store, labels, own.plan, study.path), rows=shared) for trial in trials
    )
    # As many as a race completes: after a rule that completes every trial the ensemble is no larger.
    wanted = space.finalists if top is None else top
    mask = condition_mask(space, own.manifest.frame)
    if mask is not None:
        mask = mask[own.train]
    return StudyCandidates(study, space, trials, predictions, min(wanted, len(trials)), mask)


def _only_scored(candidates: StudyCandidates) -> StudyCandidates:
    """With the rows alone that it is scored on: by itself it has nothing to say of the others."""
    kept = candidates.condition_mask
    if kept is None:
        return candidates
    predictions = tuple(
        Prediction(item.rows[kept], item.probabilities[kept], item.labels[kept], item.folds[kept])
        for item in candidates.predictions
    )
    return replace(candidates, predictions=predictions, condition_mask=None)


def _prediction(
    trial: CompleteTrial, store: CheckpointStore, labels: NDArray[np.int64], plan: FoldPlan, study: Path
) -> Prediction:
    """Assembled from what the fold runs stored, so that every row is checked against the fold plan."""
    try:
        by_fold = {best.fold: fold_from_bytes(read_checkpoint(store, best, best.oof)) for best in trial.bests}
        return assemble(by_fold, labels, plan.folds)
    except StudyError as error:
        raise StudyError(f"{study}: trial {trial.number}: {error}") from error

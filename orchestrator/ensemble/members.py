"""From studies to what an ensemble is made of: complete trials with their out-of-fold probabilities."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import EnsembleError, NoCompleteTrialError, StudyError
from orchestrator.core.text import shortened
from orchestrator.data.folds import FoldPlan
from orchestrator.data.manifest import FOLD_PLAN_DIGEST, ONLY_FOLD, Manifest
from orchestrator.data.scalars import to_scalars, to_text
from orchestrator.data.targets import Target
from orchestrator.ensemble.judged_otherwise import difference
from orchestrator.ensemble.routes import joint_of, resolve_routes
from orchestrator.ensemble_record.chain_rule import Term
from orchestrator.space import SearchSpace
from orchestrator.space.condition import condition_mask
from orchestrator.space.own_code import known_beside
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.predictions import Prediction, assemble, fold_from_bytes
from orchestrator.study.study import CandidateTrial, Study, read_checkpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyCandidates:
    """One study's complete trials and their predictions; the first `top` are members."""

    study: Study
    space: SearchSpace
    trials: tuple[CandidateTrial, ...]  # that own all folds; the complete ones first, best first
    predictions: tuple[Prediction, ...]  # of each trial, out-of-fold, of the same rows
    top: int  # as many trials as a uniform vote takes
    own_rows: NDArray[np.int64]  # (n,) numbers of the rows in the study's own manifest
    name: str  # its folder's, and what tells it from another of that name
    condition_mask: NDArray[np.bool_] | None = None  # (n,), rows it learns from and is scored on; None: all

    @property
    def members(self) -> tuple[tuple[CandidateTrial, Prediction], ...]:
        return tuple(zip(self.trials, self.predictions, strict=True))[: self.top]

    @property
    def term(self) -> Term:
        return Term(self.space.target, self.space.given, self.name)

    @property
    def rows_scored(self) -> int:
        mask = self.condition_mask
        return len(self.predictions[0].rows) if mask is None else int(mask.sum())

    def config(self, trial: CandidateTrial) -> dict[str, Any]:
        """With the defaults of the version that trained it."""
        return {**self.study.header.defaults, **trial.config}

    def validated_with(self) -> set[str]:
        """The members' test-time augmentations."""
        return {str(self.config(trial).get("tta") or "none") for trial, _ in self.members}


@dataclass(frozen=True)
class TermStudies:
    """The studies of one target under one condition: their trials are one pool."""

    studies: tuple[StudyCandidates, ...]  # by their names

    @property
    def top(self) -> int:
        """Members of a uniform vote."""
        return sum(study.top for study in self.studies)

    @property
    def term(self) -> Term:
        first = self.studies[0]
        return Term(first.space.target, first.space.given, " + ".join(study.name for study in self.studies))

    @property
    def condition_mask(self) -> NDArray[np.bool_] | None:
        return self.studies[0].condition_mask


@dataclass(frozen=True)
class Route:
    """One way to the answer: terms that `chain_rule.combine` multiplies, or one that answers by itself."""

    terms: tuple[TermStudies, ...]

    @property
    def chain(self) -> list[Term]:
        return [item.term for item in self.terms]

    @property
    def name(self) -> str:
        """Beside other routes."""
        return "product" if len(self.terms) > 1 else "joint"


@dataclass(frozen=True)
class EnsembleInputs:
    """Studies with the same train rows and folds. Their n rows are those that have a fold, sorted by path.

    Of studies with one condition alone, only the rows where it holds are among them.
    """

    routes: tuple[Route, ...]  # the product of several targets first
    target: Target  # what they predict together
    manifest: Manifest  # the first study's; the others' may have other rows with role extra
    plan: FoldPlan  # the first study's
    rows: NDArray[np.int64]  # (n,) row numbers in `manifest`, as in every study's predictions
    labels: NDArray[np.int64]  # (n,) classes of `target`; of several labels (n, L) of 0 and 1

    @property
    def studies(self) -> tuple[StudyCandidates, ...]:
        return tuple(study for route in self.routes for item in route.terms for study in item.studies)

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
        """Whether it is more than the pool of one target."""
        return len(self.routes) > 1 or len(self.routes[0].terms) > 1

    @property
    def terms(self) -> list[Term]:
        """Of the first route."""
        return self.routes[0].chain


def gather(paths: Sequence[Path], top: int | None, trust: bool = False) -> EnsembleInputs:
    """The studies at `paths`, in any order: whatever it is, the result is the same.

    top: members of each study; None takes `space.finalists`.
    trust: whether metrics of their own may be imported that are neither installed nor known here.

    Raises EnsembleError when they don't belong together, NoCompleteTrialError when one has no complete trial.
    """
    _refuse_doubles(paths)
    studies = [Study(path, trust=trust) for path in paths]
    for study in studies:
        known_beside(study.header.own_code, [study.space.metric], study.path, trust)
    target, ordered = _in_order(studies)
    names = _names(paths)
    own = {index: _StudyRows.of(studies[index]) for route in ordered for pool in route for index in pool}
    first = next(iter(own.values()))
    for other in own.values():
        if other is not first:
            _refuse_other_rows(first, other)

    def candidates(index: int) -> StudyCandidates:
        return _study_candidates(studies[index], names[index], own[index], first.train, top)

    routes = tuple(
        Route(tuple(TermStudies(tuple(map(candidates, pool))) for pool in route)) for route in ordered
    )
    if len(routes) == 1 and len(routes[0].terms) == 1:
        routes = (Route((TermStudies(tuple(map(_only_scored, routes[0].terms[0].studies))),)),)
    rows = routes[0].terms[0].studies[0].predictions[0].rows
    labels = target.encode(first.manifest.frame.iloc[rows])
    return EnsembleInputs(routes, target, first.manifest, first.plan, rows, labels)


def _names(paths: Sequence[Path]) -> list[str]:
    """Of each study its folder's name, with as many folders above it as tell it from the others."""
    parts = [path.resolve().parts for path in paths]

    def name(own: tuple[str, ...]) -> str:
        lengths = range(1, len(own))
        unique = (n for n in lengths if sum(other[-n:] == own[-n:] for other in parts) == 1)
        return "/".join(own[-next(unique, len(own)) :])

    return [name(own) for own in parts]


def _refuse_doubles(paths: Sequence[Path]) -> None:
    resolved = [path.resolve() for path in paths]
    for index, path in enumerate(resolved):
        if path in resolved[:index]:
            raise EnsembleError(
                f"study {paths[index]} is named twice; its trials would vote twice, leave one of them out"
            )


@dataclass(frozen=True)
class _StudyRows:
    path: Path
    manifest: Manifest
    plan: FoldPlan
    train: NDArray[np.int64]  # (n,) row numbers of what is validated, sorted by path

    @classmethod
    def of(cls, study: Study) -> _StudyRows:
        manifest, plan = study.manifest(), study.fold_plan()
        train = np.flatnonzero(plan.folds >= 0)
        # The same rows may have other numbers in another study, or in the same one begun from another table.
        paths = manifest.frame["path"].to_numpy(dtype=str)[train]
        return cls(study.path, manifest, plan, train[np.argsort(paths, kind="stable")])

    @property
    def paths(self) -> list[str]:
        return [str(path) for path in self.manifest.frame["path"].iloc[self.train]]

    @property
    def folds(self) -> NDArray[np.int16]:
        folds: NDArray[np.int16] = self.plan.folds[self.train]
        return folds

    def cells(self) -> dict[str, list[str | None]]:
        """What the train rows say, as text: another source's rows can change the type of a column."""
        frame = self.manifest.frame.iloc[self.train]
        names = [str(name) for name in frame.columns if name not in ("role", ONLY_FOLD, FOLD_PLAN_DIGEST)]
        texts = {name: [to_text(cell) for cell in to_scalars(frame[name])] for name in names}
        return {name: column for name, column in texts.items() if any(cell is not None for cell in column)}


def _in_order(studies: Sequence[Study]) -> tuple[Target, list[list[list[int]]]]:
    """The target and, by route and term, the numbers of the studies."""
    terms = [Term(study.space.target, study.space.given, str(study.path)) for study in studies]
    alike = len({(term.target, term.given) for term in terms}) == 1
    joint = None if alike else joint_of(terms, [study.space.joint for study in studies])
    found = resolve_routes(terms, joint)
    _same_metric(studies)
    return found


def _same_metric(studies: Sequence[Study]) -> None:
    judged = {(study.space.metric, study.space.mode): study.path for study in studies}
    if len(judged) > 1:
        found = "; ".join(f"{metric} ({mode}) in {path}" for (metric, mode), path in judged.items())
        raise EnsembleError(f"the studies are judged by different metrics: {found}; run them with one")


def _refuse_other_rows(first: _StudyRows, other: _StudyRows) -> None:
    mine, theirs = first.cells(), other.cells()
    names = dict.fromkeys(["path", *mine, *theirs])
    differ = [name for name in names if mine.get(name) != theirs.get(name)]
    if differ:
        raise EnsembleError(
            f"studies {first.path} and {other.path} have different train rows (column {differ[0]!r}"
            f"{_where(differ[0], mine, theirs)}); they cannot vote together, run the studies on the same "
            "data with the same label fixes"
        )
    apart = np.flatnonzero(first.folds != other.folds)
    if len(apart):
        at = int(apart[0])
        raise EnsembleError(
            f"studies {first.path} and {other.path} have different folds (k, seed or stratify differ; "
            f"{first.paths[at]} is in fold {first.folds[at]} and in fold {other.folds[at]}); an honest score "
            "needs the same ones, search both with the same --seed, --scale and folds of the space"
        )


def _where(column: str, mine: dict[str, list[str | None]], theirs: dict[str, list[str | None]]) -> str:
    """Which rows differ, such as "; a.jpg is in one alone" or ": a.jpg has 'x' and 'y'"."""
    lone = sorted(set(mine["path"]) ^ set(theirs["path"]), key=str)
    if lone:
        return f"; in one of them alone: {shortened([str(path) for path in lone])}"
    if column not in mine or column not in theirs:
        return ", which one of them lacks"
    pairs = zip(mine["path"], mine[column], theirs[column], strict=True)
    path, one, other = next(item for item in pairs if item[1] != item[2])
    return f": {path} has {one!r} and {other!r}"


def _study_candidates(
    study: Study, name: str, own: _StudyRows, shared: NDArray[np.int64], top: int | None
) -> StudyCandidates:
    """shared: the numbers that the train rows get, sorted by path."""
    space, trials = study.space, tuple(study.candidate_trials())
    complete = study.complete_trials() or trials
    if not complete:
        raise NoCompleteTrialError(
            f"study {study.path} has no complete trial; continue it with "
            f"`python -m orchestrator.tune --resume --study {study.path.name} --runs {study.path.parent}`"
        )
    if complete is trials:
        log.warning("study %s has no complete trial yet: these are votes of unfinished ones", study.path)
    if top is not None and not 1 <= top <= len(complete):
        raise EnsembleError(
            f"--top {top}: study {study.path} has {len(complete)} complete trials; give 1 to that"
        )
    labels, store = space.target.encode(own.manifest.frame), study.store()
    predictions = tuple(
        _sorted_by_path(_prediction(trial, store, labels, own.plan, study.path), own.train, shared)
        for trial in trials
    )
    # As many as a race completes: after a rule that completes every trial the ensemble is no larger.
    wanted = space.finalists if top is None else top
    mask = condition_mask(space, own.manifest.frame)
    if mask is not None:
        mask = mask[own.train]
    if told := difference(trials, predictions, space.metric, mask):
        log.warning("warning: study %s: %s", study.path, told)
    top = min(wanted, len(complete))
    return StudyCandidates(study, space, trials, predictions, top, own.train, name, mask)


def _sorted_by_path(found: Prediction, order: NDArray[np.int64], shared: NDArray[np.int64]) -> Prediction:
    """order: its rows' numbers as they are wanted; shared: the numbers that they get."""
    at = np.searchsorted(found.rows, order)
    return Prediction(shared, found.probabilities[at], found.labels[at], found.folds[at])


def _only_scored(candidates: StudyCandidates) -> StudyCandidates:
    """With the rows alone that it is scored on: by itself it has nothing to say of the others."""
    kept = candidates.condition_mask
    if kept is None:
        return candidates
    predictions = tuple(
        Prediction(item.rows[kept], item.probabilities[kept], item.labels[kept], item.folds[kept])
        for item in candidates.predictions
    )
    own_rows = candidates.own_rows[kept]
    return replace(candidates, predictions=predictions, own_rows=own_rows, condition_mask=None)


def _prediction(
    trial: CandidateTrial, store: CheckpointStore, labels: NDArray[np.int64], plan: FoldPlan, study: Path
) -> Prediction:
    """Assembled from what the fold runs stored, so that every row is checked against the fold plan."""
    try:
        by_fold = {best.fold: fold_from_bytes(read_checkpoint(store, best, best.oof)) for best in trial.bests}
        return assemble(by_fold, labels, plan.folds)
    except StudyError as error:
        raise StudyError(f"{study}: trial {trial.number}: {error}") from error

"""The honest numbers of an ensemble. Pure: predictions in, scores out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from orchestrator.core.arrays import Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.core.metrics import applicable, find, scores
from orchestrator.data.targets import given_text
from orchestrator.ensemble.chain_rule import combine
from orchestrator.ensemble.members import EnsembleInputs, StudyCandidates
from orchestrator.evaluation.bbc_cv import corrected_for_choice
from orchestrator.evaluation.bootstrap import pooled_oof
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.fold_scores import FoldScores, fold_scores, scores_of_folds
from orchestrator.evaluation.voted import Candidates, VotedRows
from orchestrator.evaluation.voting import vote_of
from orchestrator.study.predictions import Prediction

ESTIMATES: dict[str, Callable[[VotedRows, np.random.Generator, int, Progress | None], Estimate]] = {
    "naive": pooled_oof,
    "bbc": corrected_for_choice,
}
"""Key in ensemble.json -> what makes it of (rows, rng, repeats, progress). They are printed in this order."""


@dataclass(frozen=True)
class StudyScores:
    """The scores of one study, on its own target and rows."""

    members: dict[int, FoldScores]  # by trial number
    vote: FoldScores  # of the members' vote


@dataclass(frozen=True)
class MetricScores:
    """One metric of a whole ensemble's out-of-fold answers."""

    oof: float  # of all rows at once; NaN where it is undefined
    folds: FoldScores
    mode: str  # "max" where a larger value is better, "min" where a smaller one is

    def to_json(self) -> dict[str, Any]:
        by_fold = {str(fold): value for fold, value in self.folds.scores.items()}
        numbers = {"oof": self.oof, "mean": self.folds.mean, "sd": self.folds.sd}
        return {
            **{key: _or_none(value) for key, value in numbers.items()},
            "folds": by_fold,
            "mode": self.mode,
        }


@dataclass(frozen=True)
class Scores:
    """What is known of an ensemble before it meets new images."""

    studies: tuple[StudyScores, ...]  # one for each study
    metrics: dict[str, MetricScores]  # of the whole ensemble; the studies' own first, then all that apply
    prediction: Prediction  # its out-of-fold probabilities
    estimates: dict[str, Estimate]  # by the keys of ESTIMATES
    candidates: tuple[int, ...]  # complete trials of each study

    @property
    def vote(self) -> FoldScores:
        """Of the whole ensemble, by the studies' metric."""
        return next(iter(self.metrics.values())).folds

    def to_json(self) -> dict[str, Any]:
        return {
            "folds": {str(fold): value for fold, value in self.vote.scores.items()},
            "mean": self.vote.mean,
            "sd": _or_none(self.vote.sd),
            **{key: estimate.numbers for key, estimate in self.estimates.items()},
            "candidates": list(self.candidates),
        }

    def metrics_json(self) -> dict[str, dict[str, Any]]:
        """By name, the one that decided first."""
        return {name: item.to_json() for name, item in self.metrics.items()}

    def words(self) -> dict[str, dict[str, str]]:
        """What each estimate is called and means, by the same keys as in `to_json`."""
        return {key: estimate.words for key, estimate in self.estimates.items()}


def score_parts(
    inputs: EnsembleInputs,
    vote: str,
    rng: np.random.Generator,
    progress: Progress | None = None,
    repeats: int = 1000,
) -> Scores:
    """Every number the command prints. vote: "soft" or "hard"; repeats: resamples of the groups."""
    voting = vote_of(vote, inputs.target.multi_label)
    votes = [voting([item.probabilities for _, item in study.members]) for study in inputs.studies]
    combined = combine(inputs.target, inputs.terms, votes)
    prediction = Prediction(inputs.rows, combined, inputs.labels, inputs.folds)
    voted = voted_rows(inputs, combined, vote)
    estimates = {key: make(voted, rng, repeats, progress) for key, make in ESTIMATES.items()}
    scored = tuple(_study_scores(study, item) for study, item in zip(inputs.studies, votes, strict=True))
    candidates = tuple(len(study.trials) for study in inputs.studies)
    return Scores(scored, _metric_scores(inputs, prediction), prediction, estimates, candidates)


def _metric_scores(inputs: EnsembleInputs, found: Prediction) -> dict[str, MetricScores]:
    names = list(dict.fromkeys([inputs.metric, *applicable(inputs.target.task)]))
    pooled = scores(names, found.labels, found.probabilities)
    by_fold = scores_of_folds(names, found.labels, found.probabilities, found.folds)
    modes = {name: find(name).mode or inputs.mode for name in names}  # one's own has the studies'
    return {name: MetricScores(pooled[name], by_fold[name], modes[name]) for name in names}


def _or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def voted_rows(inputs: EnsembleInputs, combined: Probabilities, vote: str) -> VotedRows:
    """What estimates are made from. combined: the ensemble's out-of-fold probabilities, (n, C)."""
    given = None if inputs.combined else inputs.studies[0].space.given
    return VotedRows(
        labels=inputs.labels,
        probabilities=combined,
        groups=inputs.groups,
        metric=inputs.metric,
        studies=[_candidates(study) for study in inputs.studies],
        vote=vote_of(vote, inputs.target.multi_label),
        combine=partial(combine, inputs.target, inputs.terms),
        rows=f"{len(inputs.rows)} rows" + (f" with {given_text(given)}" if given else ""),
        views=_views(inputs),
    )


def _candidates(study: StudyCandidates) -> Candidates:
    first, space = study.predictions[0], study.space
    members = [item.probabilities for item in study.predictions]
    return Candidates(
        members, first.labels, first.folds, study.top, space.metric, space.mode, study.condition_mask
    )


def _views(inputs: EnsembleInputs) -> str:
    found = sorted({tta for study in inputs.studies for tta in study.validated_with()})
    return "without test-time augmentation" if found == ["none"] else f"validated with tta {', '.join(found)}"


def _study_scores(study: StudyCandidates, voted: Probabilities) -> StudyScores:
    labels, folds = study.predictions[0].labels, study.predictions[0].folds
    own = np.ones(len(labels), np.bool_) if study.condition_mask is None else study.condition_mask

    def scored(probabilities: Probabilities) -> FoldScores:
        return fold_scores(labels[own], probabilities[own], folds[own], study.space.metric)

    members = {trial.number: scored(item.probabilities) for trial, item in study.members}
    return StudyScores(members, scored(voted))

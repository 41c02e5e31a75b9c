"""The honest numbers of an ensemble. Pure: predictions in, scores out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from orchestrator.core.arrays import Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.ensemble.chain_rule import combine
from orchestrator.ensemble.members import EnsembleInputs, StudyCandidates
from orchestrator.evaluation.bbc_cv import Candidates, bbc_cv
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.estimate import Estimate, FoldScores, fold_scores
from orchestrator.evaluation.voting import VOTES
from orchestrator.study.predictions import Prediction


@dataclass(frozen=True)
class PartScores:
    """members: per trial number; vote: of the part's members; on the part's own target and rows."""

    members: dict[int, FoldScores]
    vote: FoldScores


@dataclass(frozen=True)
class Scores:
    """parts: one per study; vote: of the whole ensemble; prediction: its OOF probabilities.

    naive: all rows at once, interval over groups; chosen: corrected for having chosen the members.
    """

    parts: tuple[PartScores, ...]
    vote: FoldScores
    prediction: Prediction
    naive: Estimate
    chosen: Estimate
    candidates: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "folds": {str(fold): value for fold, value in self.vote.scores.items()},
            "mean": self.vote.mean,
            "sd": None if np.isnan(self.vote.sd) else self.vote.sd,
            "naive": asdict(self.naive),
            "bbc": asdict(self.chosen),
            "candidates": list(self.candidates),
        }


def score_parts(
    parts: EnsembleInputs,
    vote: str,
    rng: np.random.Generator,
    progress: Progress | None = None,
    repeats: int = 1000,
) -> Scores:
    """Every number the command prints. vote: "soft" or "hard"."""
    voted = [VOTES[vote]([item.probabilities for _, item in part.members]) for part in parts.studies]
    prediction = Prediction(parts.rows, combine(parts.target, parts.terms, voted), parts.labels, parts.folds)
    naive = group_bootstrap(
        prediction.labels, prediction.probabilities, parts.groups, parts.metric, rng, repeats
    )
    chosen = _corrected(parts, vote, rng, progress, repeats)
    folds = fold_scores(prediction.labels, prediction.probabilities, prediction.folds, parts.metric)
    scored = tuple(_part_scores(part, item) for part, item in zip(parts.studies, voted, strict=True))
    candidates = tuple(len(part.trials) for part in parts.studies)
    return Scores(scored, folds, prediction, naive, chosen, candidates)


def _part_scores(part: StudyCandidates, voted: Probabilities) -> PartScores:
    labels, folds = part.predictions[0].labels, part.predictions[0].folds
    own = np.ones(len(labels), np.bool_) if part.within is None else part.within

    def scored(probabilities: Probabilities) -> FoldScores:
        return fold_scores(labels[own], probabilities[own], folds[own], part.space.metric)

    members = {trial.number: scored(item.probabilities) for trial, item in part.members}
    return PartScores(members, scored(voted))


def _corrected(
    parts: EnsembleInputs,
    vote: str,
    rng: np.random.Generator,
    progress: Progress | None,
    repeats: int,
) -> Estimate:
    candidates = [
        Candidates(
            [item.probabilities for item in part.predictions],
            part.predictions[0].labels,
            part.predictions[0].folds,
            part.top,
            part.space.metric,
            part.space.mode,
            part.within,
        )
        for part in parts.studies
    ]
    return bbc_cv(
        candidates, parts.labels, parts.groups, parts.metric, VOTES[vote],
        partial(combine, parts.target, parts.terms), rng, repeats, progress=progress,
    )  # fmt: skip

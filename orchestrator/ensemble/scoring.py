"""The honest numbers of an ensemble, from the predictions of its studies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.core.arrays import Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import applicable, find, scores
from orchestrator.data.targets import given_text
from orchestrator.ensemble.comparing import Compared, compare_routes
from orchestrator.ensemble.composing import Composed, FittedTerm, Options, Pools, TermPool, compose, method_of
from orchestrator.ensemble.estimating import estimates_of
from orchestrator.ensemble.members import EnsembleInputs
from orchestrator.ensemble.plain import plain_vote
from orchestrator.ensemble.pooling import pools_of
from orchestrator.ensemble.racing import races_of
from orchestrator.evaluation.blend import blended
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.fold_scores import FoldScores, fold_scores, scores_of_folds
from orchestrator.evaluation.intervals import Answers
from orchestrator.evaluation.judged import Judged
from orchestrator.study.predictions import Prediction


@dataclass(frozen=True)
class MemberScores:
    """One trial of a pool, on its own target and rows."""

    number: int  # in the pool
    name: str
    weight: float  # in the vote
    oof: float  # of all rows at once
    folds: FoldScores


@dataclass(frozen=True)
class TermScores:
    """The vote on one target beside its members."""

    members: tuple[MemberScores, ...]  # those that vote, and the best trial alone if it does not
    vote: MemberScores

    def beaten_by(self, mode: str) -> MemberScores | None:
        """The best member, where its mean over folds is better than the vote's."""
        sign = -1.0 if mode == "min" else 1.0
        best = max(self.members, key=lambda item: sign * item.folds.mean)
        return best if sign * (best.folds.mean - self.vote.folds.mean) > 1e-12 else None


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
    """What an ensemble is made of, and what is known of it before it meets new images."""

    pools: Pools
    composed: Composed
    terms: tuple[tuple[TermScores, ...], ...]  # by route
    metrics: dict[str, MetricScores]  # of the whole ensemble; the studies' own first, then all that apply
    prediction: Prediction  # its out-of-fold probabilities, calibrated, before anything is decided
    judged: Prediction  # the same with the decisions in them
    estimates: dict[str, Estimate]  # by the keys of `estimating.ESTIMATES`
    comparisons: tuple[Compared, ...]  # of routes; empty where there is one
    candidates: tuple[int, ...]  # trials of each study that may vote

    @property
    def vote(self) -> FoldScores:
        """Of the whole ensemble, by the studies' metric."""
        return next(iter(self.metrics.values())).folds

    def metrics_json(self) -> dict[str, dict[str, Any]]:
        """By name, the one that decided first."""
        return {name: item.to_json() for name, item in self.metrics.items()}


def score_parts(
    inputs: EnsembleInputs,
    options: Options,
    rng: np.random.Generator,
    progress: Progress | None = None,
    repeats: int | None = None,
    workers: int = 1,
) -> Scores:
    """Every number the command prints. repeats: resamples of the groups; None takes what is quickly done.

    workers: processes for replays of the race. Raises EnsembleError for fewer than one repeat.
    """
    if repeats is not None and repeats < 1:
        raise EnsembleError(
            f"--repeats {repeats}: an estimate takes 1 resample or more; leave it out for a quick choice"
        )
    pools = pools_of(inputs)
    composed = compose(pools, options)
    prediction, judged = (
        Prediction(inputs.rows, answers.final, inputs.labels, inputs.folds)
        for answers in (composed.answers, composed.judged)
    )
    estimates = estimates_of(
        _judged(inputs, pools, options, judged, workers), rng, repeats or quick_repeats(pools), progress
    )
    return Scores(
        pools,
        composed,
        _term_scores(pools, composed),
        _metric_scores(inputs, prediction, judged),
        prediction,
        judged,
        estimates,
        _comparisons(inputs, composed, rng),
        tuple(len(study.trials) for study in inputs.studies),
    )


def quick_repeats(pools: Pools) -> int:
    """Resamples that take well under a minute: fewer of larger tables, 40 to 100."""
    cells = sum(item.pool.members.size for route in pools.routes for item in route.terms)
    return int(np.clip(2e7 / max(cells, 1), 40, 100))


def _judged(
    inputs: EnsembleInputs, pools: Pools, options: Options, judged: Prediction, workers: int
) -> Judged:
    given = None if inputs.combined else inputs.studies[0].space.given
    return Judged(
        Answers(judged.labels, judged.probabilities, judged.folds, inputs.groups, inputs.metric),
        method_of(pools, options),
        method_of(pools, options, quick=True),
        f"{len(inputs.rows)} rows" + (f" with {given_text(given)}" if given else ""),
        _views(inputs),
        races_of(inputs, options),
        workers,
        plain_vote(pools, options),
    )


def _views(inputs: EnsembleInputs) -> str:
    found = sorted({tta for study in inputs.studies for tta in study.validated_with()})
    return "without test-time augmentation" if found == ["none"] else f"validated with tta {', '.join(found)}"


# ---- tables ----------------------------------------------------------------------------------------


def _metric_scores(
    inputs: EnsembleInputs, prediction: Prediction, judged: Prediction
) -> dict[str, MetricScores]:
    """Of decisions where a metric looks at labels, else of probabilities."""
    names = list(dict.fromkeys([inputs.metric, *applicable(inputs.target.task)]))
    own = {name: judged if find(name).needs == "labels" else prediction for name in names}
    own[inputs.metric] = judged
    found = {}
    for name, answers in own.items():
        pooled = scores([name], answers.labels, answers.probabilities)[name]
        folds = scores_of_folds([name], answers.labels, answers.probabilities, answers.folds)[name]
        found[name] = MetricScores(
            pooled, folds, find(name).mode or inputs.mode
        )  # own ones have the studies'
    return found


def _term_scores(pools: Pools, composed: Composed) -> tuple[tuple[TermScores, ...], ...]:
    return tuple(
        tuple(_scored_term(item, fitted) for item, fitted in zip(route.terms, own, strict=True))
        for route, own in zip(pools.routes, composed.terms, strict=True)
    )


def _scored_term(item: TermPool, fitted: FittedTerm) -> TermScores:
    pool = item.pool
    own = np.ones(len(pool.labels), np.bool_) if pool.mask is None else pool.mask

    def scored(number: int, name: str, weight: float, probabilities: Probabilities) -> MemberScores:
        rows = pool.labels[own], probabilities[own]
        oof = scores([pool.metric], *rows)[pool.metric]
        return MemberScores(number, name, weight, oof, fold_scores(*rows, pool.folds[own], pool.metric))

    vote = fitted.vote
    every = [
        scored(number, name, vote.weights[number], pool.members[number])
        for number, name in enumerate(pool.names)
    ]
    best = max(every, key=lambda member: (pool.sign * member.folds.mean, -member.number))
    members = [member for member in every if member.weight > 0 or member is best]
    members.sort(key=lambda member: (-member.weight, member.number))
    return TermScores(tuple(members), scored(-1, fitted.name, 1.0, fitted.voted.final))


def _comparisons(
    inputs: EnsembleInputs, composed: Composed, rng: np.random.Generator
) -> tuple[Compared, ...]:
    if len(inputs.routes) < 2:
        return ()
    crossed = {
        route.name: answers.crossed(inputs.folds)
        for route, answers in zip(inputs.routes, composed.routes, strict=True)
    }
    even = blended(np.full(len(crossed), 1 / len(crossed)), list(crossed.values()))
    answers = {**crossed, "even blend": even}
    return tuple(compare_routes(inputs.target, inputs.labels, inputs.groups, inputs.metric, answers, rng))


def _or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None

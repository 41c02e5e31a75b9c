"""Which vote: the best trial alone, a uniform vote of the best, or greedy weights.."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats
from orchestrator.core.choices import VOTE_KINDS
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import score
from orchestrator.core.text import suggestion
from orchestrator.evaluation.fitted_vote import FittedVote, fitted_vote
from orchestrator.evaluation.gate import Gate, paired_gate
from orchestrator.evaluation.pool import Answers, Pool, crossing_folds
from orchestrator.evaluation.weights import greedy_weights, mean_weights

TOP = 3


@dataclass(frozen=True)
class Considered:
    """A vote that could have been chosen."""

    name: str  # such as "uniform vote of 3"
    score: float  # cross-fitted: each fold's rows voted by what was fitted to the other folds'
    gate: Gate  # against the best trial alone, on the same rows

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "score": self.score, **self.gate.to_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Considered:
        return cls(str(record["name"]), float(record["score"]), Gate.from_json(record))


@dataclass(frozen=True)
class VoteChoice:
    """What was chosen, and what it was chosen from."""

    name: str
    fitted: FittedVote  # over all members of the pool
    answers: Answers  # of the chosen vote, on the rows of the pool
    candidates: tuple[Considered, ...]  # the simplest first

    @property
    def reason(self) -> str:
        """A sentence."""
        return "; ".join(f"{item.name}: {item.gate.reason}" for item in self.candidates)


def choose_vote(
    pool: Pool,
    row_weights: NDArray[np.floating] | None = None,
    kind: str = "auto",
    rng: np.random.Generator | None = None,
    top: int = TOP,
    quick: bool = False,
) -> VoteChoice:
    """kind: of VOTE_KINDS. top: members of a uniform vote. quick: without bagging, for use inside resamples.

    Everything is fitted to, and chosen by, the rows of positive weight alone. Raises EnsembleError for an
    unknown kind.
    """
    if kind not in VOTE_KINDS:
        raise EnsembleError(
            f"vote={kind!r} is not known; use one of {', '.join(VOTE_KINDS)}{suggestion(kind, VOTE_KINDS)}"
        )
    rng = np.random.default_rng(0) if rng is None else rng
    weights = pool.weights(row_weights)
    single = _crossed(pool, "single", weights, rng, top)
    names = [kind] if kind != "auto" else ["soft", "greedy"]
    found = [(single, Gate(0.0, 0.0, True, "the simplest"))]
    for name in names:
        item = _crossed(pool, name, weights, rng, top)
        simplest = single[2].crossed(pool.folds)
        found.append((item, paired_gate(pool, simplest, item[2].crossed(pool.folds), weights)))
    accepted = [item for item, gate in found if gate.accepted]
    name, fitted, answers = accepted[-1] if kind == "auto" else found[-1][0]
    judged = weights > 0
    candidates = [
        Considered(
            item[0], score(pool.metric, pool.labels[judged], item[2].crossed(pool.folds)[judged]), gate
        )
        for item, gate in found
    ]
    return VoteChoice(name, fitted, answers, tuple(candidates))


def _crossed(
    pool: Pool, name: str, weights: Floats, rng: np.random.Generator, top: int
) -> tuple[str, FittedVote, Answers]:
    kind = "soft" if name in ("single", "greedy") else name
    without = {}
    for fold in crossing_folds(pool.folds, weights):
        rest = np.where(pool.folds == fold, 0.0, weights)
        without[fold] = _fit(pool, name, rest, rng, top)
    final = _fit(pool, name, weights, rng, top)
    if name == "greedy" and without:
        mean = mean_weights([np.array(item.weights) for item in without.values()])
        final = fitted_vote(kind, pool.members, mean, weights, pool.multi_label)
    answers = Answers(
        final.apply(pool.members), {fold: item.apply(pool.members) for fold, item in without.items()}
    )
    return _named(pool, name, final), final, answers


def _fit(pool: Pool, name: str, weights: Floats, rng: np.random.Generator, top: int) -> FittedVote:
    if name == "greedy":
        return fitted_vote(
            "soft", pool.members, greedy_weights(pool, weights, rng), weights, pool.multi_label
        )
    size, kind = (1, "soft") if name == "single" else (top, name)
    return fitted_vote(kind, pool.members, _best(pool, weights, size), weights, pool.multi_label)


def _best(pool: Pool, weights: Floats, size: int) -> Floats:
    """(m,) 1 for the `size` members of the best mean score over folds."""
    scored = np.array([_mean_over_folds(pool, member, weights) for member in pool.members[pool.by_name]])
    chosen = pool.by_name[np.argsort(-pool.sign * scored, kind="stable")[:size]]
    found = np.zeros(len(pool.names))
    found[chosen] = 1.0
    return found


def _mean_over_folds(pool: Pool, member: NDArray[np.float32], weights: Floats) -> float:
    from orchestrator.core.metrics import find

    metric, size = find(pool.metric), len(pool.labels)
    folds = np.unique(pool.folds[weights > 0])
    by_fold = np.where(pool.folds == folds[:, None], weights, 0.0)
    found = metric.of(metric.count(pool.labels, member, np.arange(size), size)(by_fold))
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def _named(pool: Pool, name: str, fitted: FittedVote) -> str:
    if name == "single":
        return pool.names[fitted.members[0]]
    return f"{name} vote of {len(fitted.members)}"

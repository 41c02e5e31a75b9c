"""Which vote: the best trial alone, a uniform vote of the best trials, or greedy weights. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.choices import VOTE_KINDS
from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import suggestion
from orchestrator.evaluation.contenders import WORDS, Contender, Contest
from orchestrator.evaluation.fitted_vote import FittedVote
from orchestrator.evaluation.gate import CHANCE, ONE_FOLD, Gate, refused
from orchestrator.evaluation.part_sums import Digest
from orchestrator.evaluation.pool import Answers, Pool
from orchestrator.evaluation.weights import QUICK, GreedyRule

TOP = 3
"""Members of a uniform vote, unless another number is given."""


@dataclass(frozen=True)
class Considered:
    """A vote that could have been chosen."""

    name: str  # such as "uniform vote of 3"
    score: float  # cross-fitted: each fold's rows voted by what was fitted to the other folds'
    gate: Gate  # against the best trial alone, on the same rows, and why it was accepted or not

    def to_json(self) -> dict[str, Any]:
        score = self.score if math.isfinite(self.score) else None
        return {"name": self.name, "score": score, **self.gate.to_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Considered:
        """Inverse of `to_json`. Raises KeyError, TypeError, ValueError for anything else."""
        score = math.nan if record["score"] is None else float(record["score"])
        return cls(str(record["name"]), score, Gate.from_json(record))


@dataclass(frozen=True)
class VoteChoice:
    """What was chosen, and what it was chosen from."""

    name: str  # that of one of the candidates
    fitted: FittedVote  # over all members of the pool
    candidates: tuple[Considered, ...]  # the simplest, the best trial alone, first
    _contest: Contest
    _contender: Contender

    @cached_property
    def answers(self) -> Answers:
        """Of the chosen vote, on the rows of the pool: what a temperature and decisions are fitted to."""
        return self._contest.answers(self._contender)

    @property
    def reason(self) -> str:
        """What was considered, by how much, and why not the others."""
        return "; ".join(f"{item.name}: {item.gate.reason}" for item in self.candidates)


def choose_vote(
    pool: Pool,
    row_weights: NDArray[np.floating] | None = None,
    kind: str = "auto",
    rng: np.random.Generator | None = None,
    top: int = TOP,
    quick: bool = False,
) -> VoteChoice:
    """kind: of VOTE_KINDS. top: members of a vote with equal weights. quick: greedy weights without bagging,
    for use inside resamples. rng: draws the bags of a large pool.

    "auto" takes the uniform vote of the best trials, unless the best trial alone is more than one standard
    error better; and greedy weights only if they gain more than one against the best trial alone. All are
    judged on rows to which they were not fitted: every contender, the best trial too, is fitted anew without
    each fold and answers its rows. Equal weights have nothing that could be fitted to luck, while the best
    trial's own score is that of a winner (docs/benchmarks/simulated_studies.md). A metric of decisions sees
    few rows change, so a greedy gain within its error is believed if the log loss of the calibrated answers
    gains more than its own. Of a uniform and a greedy vote that both pass, the better one is taken.

    Everything is fitted to, and chosen by, the rows of positive weight alone: labels of the others change
    nothing. Raises EnsembleError for an unknown kind.
    """
    if kind not in VOTE_KINDS:
        raise EnsembleError(
            f"vote={kind!r} is not known; use one of {', '.join(VOTE_KINDS)}{suggestion(kind, VOTE_KINDS)}"
        )
    rng = np.random.default_rng(0) if rng is None else rng
    contest = Contest(pool, pool.weights(row_weights), rng, QUICK if quick else GreedyRule())
    single = contest.best("single", 1)
    if kind == "auto":
        size = len(pool.names)
        richer = [contest.uniform(sorted({min(top, size), size})), contest.greedy()]
        chosen, candidates = _judged(contest, single, richer)
    else:
        chosen = contest.greedy() if kind == "greedy" else contest.best(kind, top)
        _, candidates = _judged(contest, single, [chosen])
    return VoteChoice(chosen.name, contest.fitted(chosen), tuple(candidates), contest, chosen)


def _judged(
    contest: Contest, single: Contender, richer: list[Contender]
) -> tuple[Contender, list[Considered]]:
    """Of contenders that are accepted against the best trial alone, the one of the best crossed score (of
    equals the simpler); and all of them with their gates."""
    if not contest.folds:
        alone = Gate(0.0, 0.0, True, f"the simplest; {ONE_FOLD}")
        never = [Considered(item.name, math.nan, refused(ONE_FOLD)) for item in richer]
        return single, [Considered(single.name, math.nan, alone), *never]
    first, keeper = Crossed(single, contest.crossed(single)), contest.keeper
    found = [
        Considered(single.name, keeper.score(first.digest), Gate(0.0, 0.0, True, "the best trial alone"))
    ]
    passed: dict[int, Crossed] = {}
    for item in richer:
        if item.name == single.name:
            found.append(Considered(WORDS[item.way], found[0].score, refused(f"it is {item.name} alone")))
            continue
        crossed = Crossed(item, contest.crossed(item))
        gate = _against_best(contest, first, crossed)
        if gate.accepted:
            passed[len(found)] = crossed
        found.append(Considered(item.name, keeper.score(crossed.digest), gate))
    if not passed:
        return single, found
    at = max(passed, key=lambda number: (contest.pool.sign * found[number].score, -number))
    for other in passed.keys() - {at}:
        found[other] = _surpassed(contest, found[other], passed[other], passed[at])
    return passed[at].item, found


def _surpassed(contest: Contest, item: Considered, own: Crossed, better: Crossed) -> Considered:
    gain, se = contest.keeper.gain(own.digest, better.digest)
    ahead = f"scores {gain:.4f} better (standard error {se:.4f})" if gain > 0 else "is as good and simpler"
    why = f"Not taken: {better.item.name} {ahead}"
    return replace(item, gate=replace(item.gate, accepted=False, reason=f"{item.gate.reason}. {why}"))


@dataclass(frozen=True)
class Crossed:
    """A contender and its crossed answers."""

    item: Contender
    digest: Digest


def _against_best(contest: Contest, simpler: Crossed, richer: Crossed) -> Gate:
    """Whether the richer one may replace the best trial alone."""
    gate = contest.keeper(simpler.digest, richer.digest, simpler.item.name)
    if not gate.accepted and math.isfinite(gate.se):
        if richer.item.way == "soft":
            gate = _no_worse(gate)
        elif gate.gain > 0 and contest.pool.metric != "log_loss":
            gate = _by_log_loss(contest, gate, simpler, richer)
    if gate.accepted:
        gain, se = contest.keeper.gain(contest.shuffled(richer.item, richer.digest), richer.digest)
        if not gain > CHANCE * se:
            why = "Not taken: it does no better than its answers given to the wrong rows, so by chance"
            return replace(gate, accepted=False, reason=f"{gate.reason}. {why}")
    return gate


def _no_worse(gate: Gate) -> Gate:
    """Equal weights stay unless the best trial alone is more than one standard error better."""
    if gate.gain > -gate.se:
        why = "but not more than one worse, and the best trial's score is that of a winner"
        return replace(gate, accepted=True, reason=f"{gate.reason}, {why}")
    return gate


def _by_log_loss(contest: Contest, gate: Gate, simpler: Crossed, richer: Crossed) -> Gate:
    """A gain that may be luck is believed if the probabilities gain more than their standard error too."""
    gain, se = contest.loss_keeper.gain(contest.losses(simpler.item), contest.losses(richer.item))
    words = f"log loss {'falls' if gain >= 0 else 'rises'} by {abs(gain):.4f}, standard error {se:.4f}"
    if gain > se:
        return replace(
            gate,
            accepted=True,
            reason=f"{gate.reason}, but the calibrated probabilities gain more than one ({words})",
        )
    return replace(
        gate, reason=f"{gate.reason}, nor do the calibrated probabilities gain more than one ({words})"
    )

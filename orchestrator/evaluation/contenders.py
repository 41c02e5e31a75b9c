"""Votes that compete to be chosen, each fitted to all rows and to the rows of all folds but one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Probabilities
from orchestrator.evaluation.calibration import fit_temperature
from orchestrator.evaluation.fitted_vote import FittedVote, fitted_vote
from orchestrator.evaluation.gate import GateKeeper
from orchestrator.evaluation.part_sums import Digest, Judge, Parts, judge_of
from orchestrator.evaluation.pool import Answers, Pool
from orchestrator.evaluation.pool_votes import votes_of, weighted_mean
from orchestrator.evaluation.weights import GreedyRule, GreedySearch, mean_weights


@dataclass(frozen=True)
class Contender:
    """A way to vote. Weights (m,) are of members in the order of their names."""

    way: str  # "single", or of VOTE_KINDS
    name: str  # for a user
    final: Floats  # fitted to all rows
    without: tuple[Floats, ...]  # fitted without each fold in turn; none where there is only one

    @property
    def kind(self) -> str:
        return self.way if self.way in ("geometric", "rank", "hard") else "soft"


class Contest:
    """The rows of positive weight, and what contenders are fitted to and judged by there."""

    def __init__(self, pool: Pool, weights: Floats, rng: np.random.Generator, rule: GreedyRule) -> None:
        """weights (n,), as `JudgedRows.weights` gives them."""
        votes = votes_of(pool)
        self.pool, self.weights, self._votes, self._rng, self._rule = pool, weights, votes, rng, rule
        self._own = weights[votes.rows]
        self._parts = Parts.by(votes.folds, self._own)
        found = np.unique(votes.folds[self._own > 0]).tolist()
        self.folds: tuple[int, ...] = tuple(found) if len(found) > 1 else ()
        left_out = 1 - np.eye(len(self.folds))
        self._unions = np.vstack([np.ones((1, self._parts.count)), left_out.reshape(-1, self._parts.count)])

    @cached_property
    def keeper(self) -> GateKeeper:
        pool, votes = self.pool, self._votes
        return GateKeeper(pool.metric, pool.mode, votes.judge, votes.codes, self._own)

    @cached_property
    def search(self) -> GreedySearch:
        families = [self.pool.families[at] for at in self.pool.by_name] if self.pool.families else []
        return GreedySearch(self._votes, self._parts, self._unions, self.pool.sign, families, self._rule)

    @cached_property
    def ranking(self) -> list[list[int]]:
        """Of each union of folds: members, best first, by the mean over its folds of their scores there, as
        the leaderboard ranks trials."""
        each = np.eye(self._parts.count)
        judge, size = self._votes.judge, len(self._votes.members)
        digests = [self._votes.digest(_alone(at, size)) for at in range(size)]
        scored = self.pool.sign * np.array([judge.scores(item, self._parts, each) for item in digests])
        known = np.isfinite(scored)
        sums, held = np.where(known, scored, 0.0) @ self._unions.T, known @ self._unions.T
        means = np.divide(sums, held, out=np.full(sums.shape, -np.inf), where=held > 0)
        return [np.argsort(-column, kind="stable").tolist() for column in means.T]

    def best(self, way: str, size: int) -> Contender:
        """The best `size` members with equal weights. Which they are is decided anew without each fold."""
        made = [_equal(ranked[:size], len(ranked)) for ranked in self.ranking]
        return self._contender(way, made[0], made[1:])

    def uniform(self, sizes: Sequence[int]) -> Contender:
        """Equal weights of the best so many: of `sizes`, in ascending order, the first of the best score.
        It is decided anew without each fold."""
        made = []
        for union, ranked in enumerate(self.ranking):
            tried = [_equal(ranked[:size], len(ranked)) for size in sizes]
            made.append(tried[int(np.argmax([self.search.score(shares, union) for shares in tried]))])
        return self._contender("soft", made[0], made[1:])

    def greedy(self) -> Contender:
        """Final weights are the mean of those fitted without each fold."""
        unions = range(1, len(self._unions)) if self.folds else range(1)
        made = [self.search.weights(union, self._rng) for union in unions]
        return self._contender("greedy", mean_weights(made), made if self.folds else [])

    def _contender(self, way: str, final: Floats, without: list[Floats]) -> Contender:
        members = np.flatnonzero(final)
        if len(members) == 1:
            name = self.pool.names[self.pool.by_name[members[0]]]
        else:
            name = f"{WORDS[way]} of {len(members)}"
        return Contender(way, name, final, tuple(without))

    def crossed(self, item: Contender) -> Digest:
        """Each row answered by what was fitted without its fold, as the metric sees it."""
        if item.kind == "soft":
            digests = [self._votes.digest(tuple(shares.tolist())) for shares in item.without]
            found = digests[0].copy()
            for fold, digest in zip(self.folds[1:], digests[1:], strict=True):
                own = self._votes.folds == fold
                found[own] = digest[own]
            return found
        answers = self.answers(item).crossed(self.pool.folds)
        return self._votes.judge.digest(answers[self._votes.rows])

    def fitted(self, item: Contender) -> FittedVote:
        """Over the pool's members in their own order."""
        return self._fitted(item, item.final, self.weights)

    def answers(self, item: Contender) -> Answers:
        """To the pool's rows in their own order."""
        members = self.pool.members
        without: dict[int, Probabilities] = {}
        for fold, shares in zip(self.folds, item.without, strict=True):
            rest = np.where(self.pool.folds == fold, 0.0, self.weights)
            without[fold] = self._fitted(item, shares, rest).apply(members)
        return Answers(self.fitted(item).apply(members), without)

    def _fitted(self, item: Contender, shares: Floats, weights: Floats) -> FittedVote:
        own = np.empty(len(shares))
        own[self.pool.by_name] = shares
        return fitted_vote(item.kind, self.pool.members, own, weights, self.pool.multi_label)

    def losses(self, item: Contender) -> Digest:
        """The probability of what is true in the crossed answers, at the temperature that suits them best."""
        answers = self._crossed_answers(item)
        return self._log_loss.digest(fit_temperature(self._votes.labels, answers, self._own).apply(answers))

    def _crossed_answers(self, item: Contender) -> Probabilities:
        """(n, C) in the order of the contest's rows. A soft vote without exactness in the last bit, which
        costs more than all the rest."""
        if item.kind != "soft":
            return self.answers(item).crossed(self.pool.folds)[self._votes.rows]
        found: Probabilities = np.empty(self._votes.members.shape[1:], np.float32)
        outside = ~np.isin(self._votes.folds, self.folds)
        everyone = [(outside, item.final)] if outside.any() else []
        of_folds = [
            (self._votes.folds == fold, own) for fold, own in zip(self.folds, item.without, strict=True)
        ]
        for rows, shares in everyone + of_folds:
            chosen = np.flatnonzero(shares).tolist()
            members = {at: self._votes.members[at][rows] for at in chosen}
            found[rows] = weighted_mean(members, tuple(shares.tolist()), chosen)
        return found

    @cached_property
    def _log_loss(self) -> Judge:
        return judge_of("log_loss", self._votes.labels, self.pool.members.shape[2])

    @cached_property
    def loss_keeper(self) -> GateKeeper:
        """Of log losses."""
        return GateKeeper("log_loss", "min", self._log_loss, self._votes.codes, self._own)

    def shuffled(self, item: Contender, crossed: Digest) -> Digest:
        """The crossed answers, exchanged at random among the rows that count."""
        rows = np.flatnonzero(self._own)
        mixed = np.arange(len(self._own))
        mixed[rows] = rows[np.random.default_rng(0).permutation(len(rows))]
        if not self._votes.judge.knows_labels:
            return crossed[mixed]
        return self._votes.judge.digest(self._crossed_answers(item)[mixed])


WORDS = {"single": "best trial", "soft": "uniform vote", "greedy": "greedy vote"}
WORDS |= {kind: f"{kind} vote" for kind in ("geometric", "rank", "hard")}
"""What ways to vote are called before "of 3"."""


def _alone(at: int, size: int) -> tuple[float, ...]:
    return tuple(float(other == at) for other in range(size))


def _equal(members: list[int], size: int) -> NDArray[np.float64]:
    found = np.zeros(size)
    found[members] = 1 / len(members)
    return found

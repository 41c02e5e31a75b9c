"""Greedy selection of a vote's members, with replacement. Pure.

Sources: Caruana, Niculescu-Mizil, Crew, Ksikes, ICML 2004, "Ensemble selection from libraries of models";
Caruana, Munson, Niculescu-Mizil, ICDM 2006, "Getting the most out of ensemble selection" (pruned libraries).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats
from orchestrator.evaluation.part_sums import Parts
from orchestrator.evaluation.pool_votes import PoolVotes, Shares

LEAST_WEIGHT = 0.01
"""Members below it cost a model each and change nothing."""

EQUAL = 1e-12
"""Scores that differ by less are equal."""

Counts = tuple[int, ...]
"""(m,) how often each member was taken, in the order of their names."""


@dataclass(frozen=True)
class GreedyRule:
    """How members are selected."""

    steps: int = 12  # most members, counted with repetition
    patience: int = 4  # steps without a better score after which it stops
    per_family: int = 3  # most different members of one family
    library: int = 20  # the best so many members are tried
    bags: int = 8  # random subsets of the pool whose weights are averaged
    bag_share: float = 0.8  # part of the pool in a bag, whose best member is in every one
    bagged_from: int = 5  # smallest pool that is bagged


QUICK = GreedyRule(steps=10, patience=2, library=8, bags=0)
"""Inside resamples."""


class GreedySearch:
    """Greedy weights on several unions of folds at once: votes that they share are scored once."""

    def __init__(
        self,
        votes: PoolVotes,
        parts: Parts,
        chosen: NDArray[np.floating],
        sign: float,
        families: Sequence[str],
        rule: GreedyRule,
    ) -> None:
        """chosen (R, parts.count): the unions. families (m,) in the order of names, or none."""
        self._votes, self._parts, self._chosen, self._sign = votes, parts, chosen, sign
        self._families, self._rule = families, rule
        self._seen: dict[Shares, Floats] = {}
        size = len(votes.members)
        self.singles = np.array([self._scores(_one(at, size)) for at in range(size)])

    def weights(self, union: int, rng: np.random.Generator) -> Floats:
        """(m,) summing to 1, of members in the order of names."""
        size, rule = len(self._votes.members), self._rule
        if size < rule.bagged_from or not rule.bags:
            return _shares(self._select(union, range(size)))
        share, best = math.ceil(rule.bag_share * size), int(self.singles[:, union].argmax())
        found = np.zeros(size)
        for _ in range(rule.bags):
            # A bag without the best member would give its weight to others, to noise where it stands alone.
            bag = {best, *rng.choice(size, share, replace=False).tolist()}
            found += _shares(self._select(union, sorted(bag)))
        mean: Floats = found / rule.bags
        return mean

    def _select(self, union: int, allowed: Iterable[int]) -> Counts:
        singles = self.singles[:, union]
        library = sorted(allowed, key=lambda at: (-singles[at], at))[: self._rule.library]
        if len(library) == 2:
            return self._best_pair(union, library)
        # Where every score is undefined the first is kept.
        counts, kept, best, waited = (0,) * len(singles), _one(library[0], len(singles)), -np.inf, 0
        for _ in range(self._rule.steps):
            counts = self._with_one_more(counts, library, union)
            found = self._score(counts, union)
            waited = 0 if found > best + EQUAL else waited + 1
            if not waited:
                best, kept = found, counts
            if waited >= self._rule.patience:
                break
        return kept

    def _with_one_more(self, counts: Counts, library: list[int], union: int) -> Counts:
        """Of equally good ones a member it has, then the better single one: `library` is in that order."""
        scored = [
            (self._score(_more(counts, at), union), counts[at] > 0, -place, at)
            for place, at in enumerate(library)
            if counts[at] or self._has_room(counts, at)
        ]
        best = max(item[0] for item in scored)
        return _more(counts, max(item[1:] for item in scored if item[0] >= best - EQUAL)[-1])

    def _has_room(self, counts: Counts, at: int) -> bool:
        if not self._families:
            return True
        same = sum(
            1 for other, count in enumerate(counts) if count and self._families[other] == self._families[at]
        )
        return same < self._rule.per_family

    def _best_pair(self, union: int, pair: list[int]) -> Counts:
        """Every mixture of two: greedy steps could miss the best one, and there are few."""
        size = len(self.singles)
        both_fit = (
            not self._families or self._rule.per_family > 1 or len({self._families[at] for at in pair}) > 1
        )
        best, kept = -np.inf, _one(pair[0], size)
        for total in range(1, self._rule.steps + 1 if both_fit else 2):
            for first in range(total, -1, -1):
                counts = [0] * size
                counts[pair[0]], counts[pair[1]] = first, total - first
                found = self._score(tuple(counts), union)
                if found > best + EQUAL:
                    best, kept = found, tuple(counts)
        return kept

    def score(self, shares: Floats, union: int) -> float:
        """Of a soft vote with these weights; larger is better."""
        return float(self._scores_of(tuple(shares.tolist()))[union])

    def _score(self, counts: Counts, union: int) -> float:
        return float(self._scores(counts)[union])

    def _scores(self, counts: Counts) -> Floats:
        total = sum(counts)
        return self._scores_of(tuple(count / total for count in counts))

    def _scores_of(self, shares: Shares) -> Floats:
        """(R,), larger is better; -inf where it is undefined."""
        if shares not in self._seen:
            found = self._sign * self._votes.judge.scores(
                self._votes.digest(shares), self._parts, self._chosen
            )
            self._seen[shares] = np.where(np.isfinite(found), found, -np.inf)
        return self._seen[shares]


def mean_weights(found: Sequence[Floats]) -> Floats:
    """(m,): mean of the folds' weights, without those below LEAST_WEIGHT, summing to 1."""
    mean = np.mean(found, axis=0)
    kept = np.where(mean >= min(LEAST_WEIGHT, mean.max()), mean, 0.0)
    total: Floats = kept / kept.sum()
    return total


def _one(at: int, size: int) -> Counts:
    return tuple(int(other == at) for other in range(size))


def _more(counts: Counts, at: int) -> Counts:
    return (*counts[:at], counts[at] + 1, *counts[at + 1 :])


def _shares(counts: Counts) -> Floats:
    found = np.array(counts, np.float64)
    total: Floats = found / found.sum()
    return total

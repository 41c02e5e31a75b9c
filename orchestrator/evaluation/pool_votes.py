"""Soft votes of a pool's members under any weights, as a metric sees them. Pure.

Weights of rows come later: what is remembered here serves every resample of the same pool.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.evaluation.part_sums import ClassJudge, Digest, judge_of
from orchestrator.evaluation.pool import Pool

MEMORY = 64 << 20
"""Bytes of digests that are remembered."""

Shares = tuple[float, ...]
"""(m,) weights that sum to 1, of members in the order of their names."""


class PoolVotes:
    """Members in the order of their names, rows in an order that depends on what is in them alone."""

    def __init__(self, pool: Pool) -> None:
        self.rows = row_order(pool.codes, pool.labels, pool.members[pool.by_name])
        self.members = np.ascontiguousarray(pool.members[pool.by_name[:, None], self.rows])
        self.labels, self.folds, self.codes = (
            pool.labels[self.rows],
            pool.folds[self.rows],
            pool.codes[self.rows],
        )
        self.judge = judge_of(pool.metric, self.labels, pool.members.shape[2])
        self._own = [self.judge.digest(member) for member in self.members]
        self._seen: OrderedDict[Shares, Digest] = OrderedDict()
        self._limit = max(16, MEMORY // max(self._own[0].nbytes, 1))
        self._open, self._open_members = self._undecided()

    def digest(self, shares: Shares) -> Digest:
        """What the metric looks at in the soft vote of members with these weights."""
        chosen = [at for at, share in enumerate(shares) if share]
        if len(chosen) == 1:
            return self._own[chosen[0]]
        if shares in self._seen:
            self._seen.move_to_end(shares)
            return self._seen[shares]
        found = self._seen[shares] = self._made(shares, chosen)
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return found

    def _made(self, shares: Shares, chosen: list[int]) -> Digest:
        if isinstance(self.judge, ClassJudge):
            found = self._own[chosen[0]].copy()
            found[self._open] = weighted_mean(self._open_members, shares, chosen).argmax(axis=1)
            return found
        if self.judge.is_linear:
            return weighted_mean(self._own, shares, chosen)
        return self.judge.digest(weighted_mean(self.members, shares, chosen))

    def _undecided(self) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Rows that members predict as different classes, and the members there: the rest is decided."""
        if not isinstance(self.judge, ClassJudge):
            return np.empty(0, np.intp), self.members[:, :0]
        differ = np.zeros(len(self.labels), np.bool_)
        for own in self._own[1:]:
            differ |= own != self._own[0]
        rows = np.flatnonzero(differ)
        return rows, np.ascontiguousarray(self.members[:, rows])


def votes_of(pool: Pool) -> PoolVotes:
    """Made once a pool, and kept with it."""
    found = pool.kept.get("votes")
    if not isinstance(found, PoolVotes):
        found = pool.kept["votes"] = PoolVotes(pool)
    return found


def weighted_mean(
    items: NDArray[np.float32] | Sequence[Digest] | Mapping[int, Digest], shares: Shares, chosen: list[int]
) -> Digest:
    """In one order of members, so that equal weights give equal bytes."""
    found = np.float32(shares[chosen[0]]) * items[chosen[0]]
    for at in chosen[1:]:
        found += np.float32(shares[at]) * items[at]
    return found


def row_order(codes: NDArray[Any], labels: Labels, members: NDArray[np.float32]) -> NDArray[np.intp]:
    """(n,) rows sorted by their group, their labels and what members (m, n, C) answer to them.

    Sums of floats depend on their order; in this one the order in which rows came changes nothing.
    """
    of_labels = [*np.atleast_2d(labels.T)]
    keys = np.array([codes, *of_labels, *members[0].T[:2]])
    order = np.lexsort(keys[::-1])
    tied = (keys[:, order[1:]] == keys[:, order[:-1]]).all(axis=0)
    if tied.any():  # constant answers, and little else: then all that members say is looked at
        places = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        rows = order[places]
        everything = [
            codes[rows],
            *(item[rows] for item in of_labels),
            *members[:, rows].transpose(0, 2, 1).reshape(-1, len(rows)),
        ]
        order[places] = rows[np.lexsort(everything[::-1])]
    return order

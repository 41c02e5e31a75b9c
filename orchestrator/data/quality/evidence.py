"""Whether a grouping says more of the rows than chance would: permutation tests.

What belongs together looks alike and has one label more often than rows that were put together at random. A
group is tested as a union of units, finer groups that are known already (or single rows): the units are dealt
out anew, many times, so that a coarse grouping gets no credit for what a finer one explains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
DEALS = 999
"""Times the units are dealt out: the smallest p-value is 1 / (DEALS + 1)."""
_UNITS = 2000  # at most that many are dealt out: whole groups, drawn at random
_CLASSES = 64  # the most frequent ones; rows of others agree with none
_LEAST_PAIRS, _MOST_PAIRS = 5, 4000  # of more, some drawn at random are looked at


@dataclass(frozen=True)
class Concentration:
    """Of what agrees (labels), or is alike (near duplicates), within groups."""

    inside: float  # observed share
    chance: float  # the mean share when units are dealt out at random
    p: float  # of deals that reach what was observed, one-sided
    p_low: float  # of deals that stay at or below it

    @property
    def excess(self) -> float:
        """0 at chance, 1 where everything agrees."""
        return (self.inside - self.chance) / max(1 - self.chance, 1e-9)


def label_concentration(
    groups: Codes, units: Codes, labels: NDArray[np.int64], rng: np.random.Generator
) -> Concentration | None:
    """How often two units of one group agree in their label. None where no group has two units with labels.

    groups, units, labels (n,): a unit lies in one group; a label below 0 is unknown. A unit of several rows
    counts as one, by the shares of its labels.
    """
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        return None
    of_unit, unit = _first_codes(groups[rows], units[rows])
    chosen = _some_groups(of_unit, rng)
    shares = _shares(unit, _frequent(labels[rows]), len(of_unit))[chosen]
    of_unit = of_unit[chosen]
    order = np.argsort(of_unit, kind="stable")
    shares, starts = shares[order], np.unique(of_unit[order], return_index=True)[1]
    sizes = np.diff([*starts, len(order)])
    pairs = float((sizes * (sizes - 1)).sum())
    if not pairs or shares.shape[1] < 2:
        return None
    own = float((shares**2).sum())

    def agreement(deal: NDArray[np.int64]) -> float:
        sums = np.add.reduceat(shares[deal], starts, axis=0)
        return float(((sums**2).sum() - own) / pairs)

    return _tested(agreement, len(order), rng)


def pair_concentration(
    groups: Codes, units: Codes, pairs: NDArray[np.int64], rng: np.random.Generator
) -> Concentration | None:
    """The share of pairs of rows that look alike whose units lie in one group. None below five pairs of two
    units. groups, units (n,); pairs (m, 2)."""
    of_unit, unit = _first_codes(groups, units)
    one, other = unit[pairs[:, 0]], unit[pairs[:, 1]]
    across = one != other
    if int(across.sum()) < _LEAST_PAIRS:
        return None
    chosen = rng.permutation(np.flatnonzero(across))[:_MOST_PAIRS]
    one, other = one[chosen], other[chosen]
    used, dense = np.unique(np.concatenate([one, other]), return_inverse=True)
    one, other = dense[: len(one)], dense[len(one) :]
    of_used = of_unit[used]

    def together(deal: NDArray[np.int64]) -> float:
        dealt = of_used[deal]
        return float((dealt[one] == dealt[other]).mean())

    return _tested(together, len(used), rng)


def _tested(
    statistic: Callable[[NDArray[np.int64]], float], units: int, rng: np.random.Generator
) -> Concentration:
    observed = statistic(np.arange(units))
    dealt = np.array([statistic(rng.permutation(units)) for _ in range(DEALS)])
    reached = int((dealt >= observed - 1e-12).sum())
    below = int((dealt <= observed + 1e-12).sum())
    return Concentration(
        observed, float(dealt.mean()), (1 + reached) / (1 + DEALS), (1 + below) / (1 + DEALS)
    )


def _first_codes(groups: Codes, units: Codes) -> tuple[Codes, Codes]:
    """The group of each unit, and the number of each row's unit."""
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    return groups[first], unit.ravel()


def _some_groups(of_unit: Codes, rng: np.random.Generator) -> NDArray[np.int64]:
    """Units of whole groups, `_UNITS` at most (of one group at least)."""
    if len(of_unit) <= _UNITS:
        return np.arange(len(of_unit))
    names, group = np.unique(of_unit, return_inverse=True)
    order = rng.permutation(len(names))
    total = np.cumsum(np.bincount(group)[order])
    kept = np.isin(group, order[: max(1, int((total <= _UNITS).sum()))])
    return np.flatnonzero(kept)


def _frequent(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbered by frequency; -1 for the classes beyond the `_CLASSES` most frequent ones."""
    names, dense, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(names))
    found: NDArray[np.int64] = np.where(rank < _CLASSES, rank, -1)[dense.ravel()]
    return found


def _shares(unit: Codes, labels: NDArray[np.int64], units: int) -> NDArray[np.float64]:
    """(units, classes): of each unit's rows, the share that has a class."""
    counts = np.zeros((units, int(labels.max(initial=0)) + 1))
    known = labels >= 0
    np.add.at(counts, (unit[known], labels[known]), 1.0)
    rows = np.bincount(unit, minlength=units)
    return counts / np.maximum(rows, 1)[:, None]

"""Oversampling by whole groups: all photographs of a person come equally often."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def group_repeats(
    labels: NDArray[np.int64], groups: NDArray[Any], classes: int, rng: np.random.Generator
) -> Counts:
    """How often each row comes, (n,) >= 1, the same for all rows of a group; labels, groups: (n,).

    A group belongs, with all its rows, to the rarest of its classes (of equally rare ones the first). Groups
    of a class are repeated until its rows are as near as whole groups allow to those of the largest class.
    Which groups come once more is drawn, the sum of the repeats is not: every draw gives the same.
    """
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    home = _homes(labels, group, len(sizes), classes)
    rows = np.bincount(home, weights=sizes, minlength=classes).astype(np.int64)
    repeats = rows.max() // rows[home]
    for number in np.flatnonzero(rows):
        members = np.flatnonzero(home == number)
        repeats[_draw(members, sizes[members], int(rows.max() % rows[number]), rng)] += 1
    return np.asarray(repeats[group], np.int64)


def _homes(labels: NDArray[np.int64], group: Counts, groups: int, classes: int) -> Counts:
    """The class of each group (groups,): the one of its classes that has the fewest rows in all."""
    counts = np.bincount(labels, minlength=classes)
    by_rarity = np.argsort(counts, kind="stable")
    rank = np.empty(classes, np.int64)
    rank[by_rarity] = np.arange(classes)
    best = np.full(groups, classes, np.int64)
    np.minimum.at(best, group, rank[labels])
    return np.asarray(by_rarity[best], np.int64)


def _draw(members: Counts, sizes: Counts, wanted: int, rng: np.random.Generator) -> Counts:
    """A random few of `members` whose sizes sum to as near `wanted` as any do (of two as near, the smaller).

    Groups of one size can stand for each other. So how many of each size come is made to fit first, starting
    from a random subset of about the wanted size; which ones come is then drawn.
    """
    order = rng.permutation(len(members))
    kinds, counts = np.unique(sizes, return_counts=True)
    about = order[np.cumsum(sizes[order]) <= wanted]
    drawn = [int((sizes[about] == kind).sum()) for kind in kinds]
    takes = _fitted(kinds.tolist(), counts.tolist(), drawn, wanted)
    chosen = [order[sizes[order] == kind][:take] for kind, take in zip(kinds, takes, strict=True)]
    return np.asarray(members[np.concatenate(chosen)], np.int64)


def _fitted(kinds: list[int], counts: list[int], drawn: list[int], wanted: int) -> list[int]:
    """How many of each size to take, near `drawn`, so that the sum is the reachable one nearest `wanted`.

    Subset sums as bits of whole numbers: bit s of reach[k] says that the first k sizes can sum to s.
    """
    reach = [1]
    for kind, count in zip(kinds, counts, strict=True):
        reach.append(_with_up_to(reach[-1], kind, count))
    left = _nearest_bit(reach[-1], wanted)
    takes: list[int] = []
    for number in reversed(range(len(kinds))):
        take = _nearest_fit(reach[number], left, kinds[number], counts[number], drawn[number])
        takes.append(take)
        left -= take * kinds[number]
    return takes[::-1]


def _nearest_fit(reach: int, left: int, kind: int, count: int, drawn: int) -> int:
    """How many of `kind`, as near `drawn` as can be, leave a rest that the sizes before it reach."""
    possible = range(min(count, left // kind) + 1)
    by_distance = sorted(possible, key=lambda take: (abs(take - drawn), take))
    return next(take for take in by_distance if reach >> (left - take * kind) & 1)


def _with_up_to(reach: int, kind: int, count: int) -> int:
    """`reach` with 0 to `count` times `kind` added, by doubling."""
    step = 1
    while count:
        step = min(step, count)
        reach |= reach << (step * kind)
        count, step = count - step, step * 2
    return reach


def _nearest_bit(reach: int, wanted: int) -> int:
    below = (reach & ((1 << (wanted + 1)) - 1)).bit_length() - 1
    above = reach >> wanted
    distance = (above & -above).bit_length() - 1 if above else wanted + 1
    return below if wanted - below <= distance else wanted + distance

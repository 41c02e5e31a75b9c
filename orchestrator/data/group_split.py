"""Groups dealt into folds so that each fold has its share of everything: a pure rule on counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 8  # at most, and at least 2; each deals the groups in another random order
_GROUPS_DEALT = 50_000  # in all attempts together, which takes seconds
_SWEEPS = 3  # of moves in one attempt; it ends earlier where no move helps


def spread_groups(
    counts: NDArray[np.int64], required: int, k: int, rng: np.random.Generator
) -> NDArray[np.int16] | None:
    """The fold (groups,) of each group; counts (groups, features) says what a group holds of each feature.

    Minimises the sum over folds and features of (held - share)^2 / share, share = total / k: dealt greedily,
    the groups that hold most of what is rare first, then groups move or swap while that helps. The best of
    a few random orders is taken. None when in all of them some fold lacks one of the
    first `required` features.
    """
    totals = counts.sum(axis=0)
    weights = np.divide(k, totals, out=np.zeros(len(totals)), where=totals > 0)
    attempts = int(np.clip(_GROUPS_DEALT // max(len(counts), 1), 2, _ATTEMPTS))
    best: tuple[float, NDArray[np.int16]] | None = None  # cost, folds
    for _ in range(attempts):
        folds = _deal(counts, weights, k, rng)
        held = _held(counts, folds, k)
        for _ in range(_SWEEPS):
            if not _improve(counts, weights, folds, held, rng):
                break
        if (held[:, :required] == 0).any():  # a fold without a class could not be scored on it
            continue
        cost = float((weights * (held - totals / k) ** 2).sum())
        if best is None or cost < best[0] - 1e-9:  # rounding must not decide, lest folds differ by machine
            best = (cost, folds)
    return None if best is None else best[1]


def _held(counts: NDArray[np.int64], folds: NDArray[np.int16], k: int) -> NDArray[np.int64]:
    """What each fold holds: (k, features)."""
    return np.stack([counts[folds == fold].sum(axis=0) for fold in range(k)])


def _deal(
    counts: NDArray[np.int64], weights: NDArray[np.float64], k: int, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Each group to the fold that holds least of what it brings.

    Adding v to a fold that holds h changes the cost by sum(weights * (2 h v + v^2)) plus what is the same
    for all folds, so only sum(weights * h * v) matters.
    """
    shuffled = rng.permutation(len(counts))
    rarity = counts @ weights  # what is rare comes first, while every fold still has room for it
    order = shuffled[np.argsort(-rarity[shuffled], kind="stable")]
    held = np.zeros((k, counts.shape[1]))
    folds = np.zeros(len(counts), dtype=np.int16)
    for group in order:
        load = held @ (weights * counts[group])
        lightest = np.flatnonzero(load <= load.min() + 1e-9)
        fold = int(lightest[rng.integers(len(lightest))])
        held[fold] += counts[group]
        folds[group] = fold
    return folds


def _improve(
    counts: NDArray[np.int64],
    weights: NDArray[np.float64],
    folds: NDArray[np.int16],
    held: NDArray[np.int64],
    rng: np.random.Generator,
) -> bool:
    """One sweep of single moves that lower the cost; changes `folds` and `held`. True if any was made."""
    moved = False
    for group in rng.permutation(len(counts)):
        brought = counts[group]
        here = int(folds[group])
        load = held @ (weights * brought)
        gain = load[here] - load - float(weights @ (brought * brought))
        gain[here] = 0.0
        there = int(gain.argmax())
        if gain[there] > 1e-9:
            held[here] -= brought
            held[there] += brought
            folds[group] = there
            moved = True
    return moved

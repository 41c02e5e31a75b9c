"""Votes of ranks: members agree on the order of rows, whatever scale each one's probabilities are on. Pure.

An image alone has no rank. So each member's probabilities on known rows are kept as quantiles, a class at a
time: a new probability's rank is the share of known rows below it, and the mean rank is read back through the
members' mean quantiles. The answer is so on the scale of probabilities, and new images don't depend on which
others are predicted with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Probabilities
from orchestrator.evaluation.voting import Members, weighted_sum

Quantiles = tuple[tuple[tuple[float, ...], ...], ...]

LEVELS = 101
"""Quantiles of each member and class: from the least to the largest probability, one a percent."""


def fit_quantiles(members: Members, row_weights: Floats) -> Quantiles:
    """(m, C, LEVELS) of members (m, n, C), among the rows of positive weight."""
    known = row_weights > 0
    found = [_of_member(np.asarray(member)[known], row_weights[known]) for member in members]
    return tuple(tuple(map(tuple, item.tolist())) for item in found)


def _of_member(member: NDArray[np.float32], weights: Floats) -> Floats:
    """(C, LEVELS) of (n, C)."""
    order = np.argsort(member, axis=0, kind="stable")
    columns = []
    for at, places in enumerate(order.T):
        # A row of weight 2 fills the same share of the distribution as two rows of weight 1.
        upper = np.cumsum(weights[places])
        middle = (upper - weights[places] / 2) / upper[-1]
        columns.append(np.interp(np.linspace(0, 1, LEVELS), middle, member[places, at]))
    return np.array(columns, np.float64)


def rank_vote(members: Members, weights: Floats, quantiles: Floats, multi_label: bool) -> Probabilities:
    """(n, C): mean rank, on the scale of the mean quantiles. weights (m,) sum to 1, quantiles (m, C, Q).

    One label: rows are divided by their sum, as probabilities are; with two classes that changes nothing.
    """
    scale = weighted_sum(weights, quantiles)
    levels = np.linspace(0, 1, quantiles.shape[2])
    columns = []
    for at, back in enumerate(scale):
        ranks = [
            _ranks(member[:, at], quantiles[number, at], levels) for number, member in enumerate(members)
        ]
        mean = weighted_sum(weights, np.array(ranks)[:, :, None])[:, 0]
        columns.append(np.interp(mean, levels, back))
    voted = np.column_stack(columns)
    if not multi_label:
        total = voted.sum(axis=1, keepdims=True)
        voted = np.divide(voted, total, out=np.full_like(voted, 1 / voted.shape[1]), where=total > 0)
    answer: Probabilities = voted.astype(np.float32)
    return answer


def _ranks(values: NDArray[np.float32], quantiles: Floats, levels: Floats) -> Floats:
    """(n,) share of known rows below each value; of equal quantiles the middle one's."""
    below = np.searchsorted(quantiles, values, "left")
    upto = np.searchsorted(quantiles, values, "right")
    inside: Floats = np.interp(values, quantiles, levels)
    return np.where(upto - below > 1, (levels[below % len(levels)] + levels[upto - 1]) / 2, inside)

"""How several models' probabilities become one answer. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Probabilities
from orchestrator.core.errors import EnsembleError

Vote = Callable[[Sequence[Probabilities]], Probabilities]
Members = Sequence[Probabilities] | NDArray[np.float32]
Weights = Sequence[float] | Floats | None

LEAST = 1e-7
"""Probabilities are clipped to [LEAST, 1 - LEAST] before their logarithm: about float32's step at 1, so one
member that is sure cannot overrule all others."""

FEW = 8
"""Members that are sorted by exchanging neighbours."""

NUDGE = np.float32(1e-6)
"""What the winner of a tie gets on top, so that argmax or 0.5 finds it."""


def soft_vote(members: Members, weights: Weights = None) -> Probabilities:
    """Weighted mean of the members' probabilities, (n, C) or (n, L) each; no weights: all alike.

    Raises EnsembleError for no members, shapes that differ, or weights that are negative or all zero.
    """
    stacked, scale = _stacked(members), normalised(weights, len(members))
    voted: Probabilities = weighted_sum(scale, stacked).astype(np.float32)
    return voted


def geometric_vote(members: Members, weights: Weights = None) -> Probabilities:
    """Weighted mean of the logarithms, as probabilities that sum to 1 again, (n, C). Errors as `soft_vote`.

    Also called the logarithmic opinion pool: Genest and Zidek, Statistical Science 1 (1986).
    """
    logs = np.log(np.clip(_stacked(members), LEAST, 1 - LEAST))
    pooled = weighted_sum(normalised(weights, len(members)), logs)
    shares = np.exp(pooled - pooled.max(axis=1, keepdims=True))
    voted: Probabilities = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return voted


def geometric_label_vote(members: Members, weights: Weights = None) -> Probabilities:
    """Of several labels, each one's mean log odds as a probability, (n, L). Errors as `soft_vote`."""
    clipped = np.clip(_stacked(members), LEAST, 1 - LEAST)
    odds = weighted_sum(normalised(weights, len(members)), np.log(clipped) - np.log1p(-clipped))
    voted: Probabilities = (1 / (1 + np.exp(-odds))).astype(np.float32)
    return voted


def hard_vote(members: Members, weights: Weights = None) -> Probabilities:
    """Shares of the votes, (n, C): each member, (n, C), votes for its most probable class with its weight.

    A tie goes to the class with the larger sum of probabilities, then to the lower index. So that argmax
    finds it, also in a float32 product of several votes, the winner's share is raised by a millionth.
    Raises EnsembleError as `soft_vote`.
    """
    stacked, scale = _stacked(members), normalised(weights, len(members))
    chosen = stacked.argmax(axis=2)[..., None] == np.arange(stacked.shape[2])
    votes = weighted_sum(scale, chosen)
    leading = np.isclose(votes, votes.max(axis=1, keepdims=True), rtol=0, atol=1e-9)
    winner = np.where(leading, weighted_sum(scale, stacked), -1.0).argmax(axis=1)
    shares: Probabilities = votes.astype(np.float32)
    rows = np.arange(len(shares))
    shares[rows, winner] += NUDGE
    return shares


def hard_label_vote(members: Members, weights: Weights = None) -> Probabilities:
    """Of several labels, the share of members that say each one holds (with 0.5 or more), (n, L).

    Half of the votes are a tie, which goes to the mean of the probabilities: the share moves a millionth up
    or down, so that a label holds where the answer is 0.5 or more. Raises EnsembleError as `soft_vote`.
    """
    stacked, scale = _stacked(members), normalised(weights, len(members))
    votes = weighted_sum(scale, stacked >= 0.5)
    leaning = np.where(weighted_sum(scale, stacked) >= 0.5, NUDGE, -NUDGE)
    tied = np.isclose(votes, 0.5, rtol=0, atol=1e-9)
    return np.where(tied, np.float32(0.5) + leaning, votes.astype(np.float32))


VOTES: dict[str, Vote] = {"soft": soft_vote, "geometric": geometric_vote, "hard": hard_vote}
"""Votes that need nothing but the members' probabilities; of one label a row."""

FITTED_VOTES = ("auto", "greedy", "rank")
"""Votes that need rows known before: their labels, or, for ranks, how probabilities are distributed there."""

_LABEL_VOTES: dict[str, Vote] = {
    "soft": soft_vote,
    "geometric": geometric_label_vote,
    "hard": hard_label_vote,
}


def vote_of(name: str, multi_label: bool) -> Vote:
    """The vote of that name, a key of VOTES, over rows of one label or of several."""
    return (_LABEL_VOTES if multi_label else VOTES)[name]


def weighted_sum(scale: Floats, stacked: NDArray[Any]) -> Floats:
    """(m,), (m, n, C) -> (n, C). Floats are added in order of size, so that members have no order."""
    parts = scale[:, None, None] * stacked
    if len(parts) > FEW:
        parts.sort(axis=0)
    elif len(parts) > 2:
        _exchange_until_sorted(parts)
    total: Floats = parts.sum(axis=0)
    return total


def _exchange_until_sorted(parts: Floats) -> None:
    """Along the first axis, in place. Of a few members this is several times as fast as numpy's sort, which
    visits one cell after another."""
    for last in range(len(parts) - 1, 0, -1):
        for at in range(last):
            smaller = np.minimum(parts[at], parts[at + 1])
            np.maximum(parts[at], parts[at + 1], out=parts[at + 1])
            parts[at] = smaller


def _stacked(members: Members) -> Floats:
    if not len(members):
        raise EnsembleError("a vote needs at least one member")
    shapes = sorted({member.shape for member in members})
    if len(shapes) > 1 or len(shapes[0]) != 2:
        raise EnsembleError(f"members of a vote must agree on one shape (n, C); they have {shapes}")
    return np.asarray(members, dtype=np.float64)


def normalised(weights: Weights, members: int) -> Floats:
    """(m,) summing to 1. Raises EnsembleError for weights that are too few, negative, NaN or all zero."""
    scale = np.ones(members) if weights is None else np.asarray(weights, dtype=np.float64)
    if scale.shape != (members,) or not np.isfinite(scale).all() or (scale < 0).any() or scale.sum() <= 0:
        raise EnsembleError(
            f"weights={weights}: a vote of {members} needs {members} weights, not negative, not all zero"
        )
    found: Floats = scale / math.fsum(scale)  # exact, so in any order
    return found

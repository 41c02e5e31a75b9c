"""How several models' probabilities become one answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities
from orchestrator.core.errors import EnsembleError

Vote = Callable[[Sequence[Probabilities]], Probabilities]


def soft_vote(members: Sequence[Probabilities], weights: Sequence[float] | None = None) -> Probabilities:
    """Weighted mean of the members' probabilities, (n, C) or (n, L) each; no weights: all alike.

    Raises EnsembleError for no members, shapes that differ, or weights that are negative or all zero.
    """
    stacked = _stacked(members)
    scale = _normalised(weights, len(members))
    voted: Probabilities = np.einsum("m,mnc->nc", scale, stacked).astype(np.float32)
    return voted


def hard_vote(members: Sequence[Probabilities]) -> Probabilities:
    """Shares of the votes, (n, C): each member, (n, C), votes for its most probable class.

    A tie goes to the class with the larger sum of probabilities, then to the lower index. So that argmax
    finds it, also in a float32 product of several votes, the winner's share is raised by a millionth.
    Raises EnsembleError as `soft_vote`.
    """
    stacked = _stacked(members)
    classes = stacked.shape[2]
    votes = (stacked.argmax(axis=2)[..., None] == np.arange(classes)).sum(axis=0)
    leading = votes == votes.max(axis=1, keepdims=True)
    winner = np.where(leading, stacked.sum(axis=0), -1.0).argmax(axis=1)
    shares: Probabilities = (votes / len(members)).astype(np.float32)
    rows = np.arange(len(shares))
    shares[rows, winner] += np.float32(1e-6)
    return shares


def hard_label_vote(members: Sequence[Probabilities]) -> Probabilities:
    """Of several labels, the share of members that say each one holds (with 0.5 or more), (n, L).

    Half of the votes are a tie, which goes to the mean of the probabilities: the share moves a millionth up
    or down, so that a label holds where the answer is 0.5 or more. Raises EnsembleError as `soft_vote`.
    """
    stacked = _stacked(members)
    votes = (stacked >= 0.5).sum(axis=0)
    leaning = np.where(stacked.mean(axis=0) >= 0.5, np.float32(1e-6), np.float32(-1e-6))
    shares: Probabilities = (votes / len(members)).astype(np.float32)
    return np.where(2 * votes == len(members), shares + leaning, shares)


VOTES: dict[str, Vote] = {"soft": soft_vote, "hard": hard_vote}
_LABEL_VOTES: dict[str, Vote] = {"soft": soft_vote, "hard": hard_label_vote}


def vote_of(name: str, multi_label: bool) -> Vote:
    """The vote of that name, a key of VOTES, over rows of one label or of several."""
    return (_LABEL_VOTES if multi_label else VOTES)[name]


def _stacked(members: Sequence[Probabilities]) -> NDArray[np.float64]:
    if not members:
        raise EnsembleError("a vote needs at least one member")
    shapes = sorted({member.shape for member in members})
    if len(shapes) > 1 or len(shapes[0]) != 2:
        raise EnsembleError(f"members of a vote must agree on one shape (n, C); they have {shapes}")
    return np.stack(members).astype(np.float64)


def _normalised(weights: Sequence[float] | None, members: int) -> NDArray[np.float64]:
    scale = np.ones(members) if weights is None else np.asarray(weights, dtype=np.float64)
    if scale.shape != (members,) or not np.isfinite(scale).all() or (scale < 0).any() or scale.sum() <= 0:
        raise EnsembleError(
            f"weights={weights}: a vote of {members} needs {members} weights, not negative, not all zero"
        )
    normalised: NDArray[np.float64] = scale / scale.sum()
    return normalised

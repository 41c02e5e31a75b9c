"""A vote that was fitted to known rows, and what it says of new ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.core.arrays import Floats, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.evaluation.ranks import fit_quantiles, rank_vote
from orchestrator.evaluation.voting import (
    Members,
    geometric_label_vote,
    geometric_vote,
    hard_label_vote,
    hard_vote,
    normalised,
    soft_vote,
)

KINDS = ("soft", "geometric", "rank", "hard")


@dataclass(frozen=True)
class FittedVote:
    """How much each member counts. A weight of 0 silences a member; it need not be there at all.

    Raises EnsembleError for an unknown kind, weights that are negative or all zero, and ranks without their
    reference.
    """

    kind: str  # of KINDS
    weights: tuple[float, ...]  # (m,) summing to 1
    multi_label: bool = False
    quantiles: tuple[tuple[tuple[float, ...], ...], ...] = ()  # of "rank", (m, C, Q): see `ranks`

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EnsembleError(f"vote kind={self.kind!r} is not known; use one of {', '.join(KINDS)}")
        normalised(self.weights, len(self.weights))
        if self.kind == "rank" and len(self.quantiles) != len(self.weights):
            raise EnsembleError(
                "a rank vote needs each member's quantiles on known rows: one image alone has no rank"
            )

    @property
    def members(self) -> tuple[int, ...]:
        """Numbers of the members that count."""
        return tuple(np.flatnonzero(np.array(self.weights)).tolist())

    def apply(self, members: Members) -> Probabilities:
        """(n, C). members (m, n, C), in the order of `weights`, on any rows."""
        if len(members) != len(self.weights):
            raise EnsembleError(f"a vote of {len(self.weights)} members got {len(members)}")
        order = self.members
        chosen, weights = [members[at] for at in order], np.array([self.weights[at] for at in order])
        if self.kind == "rank":
            reference = np.array([self.quantiles[at] for at in order], np.float64)
            return rank_vote(chosen, weights, reference, self.multi_label)
        if self.kind == "soft":
            return soft_vote(chosen, weights)
        if self.kind == "hard":
            return (hard_label_vote if self.multi_label else hard_vote)(chosen, weights)
        return (geometric_label_vote if self.multi_label else geometric_vote)(chosen, weights)

    def only(self) -> FittedVote:
        """The same vote over its own `members` alone."""
        kept = self.members
        quantiles = tuple(self.quantiles[at] for at in kept) if self.quantiles else ()
        return FittedVote(self.kind, tuple(self.weights[at] for at in kept), self.multi_label, quantiles)

    def to_json(self) -> dict[str, Any]:
        found = {"kind": self.kind, "weights": list(self.weights), "multi_label": self.multi_label}
        return {**found, "quantiles": self.quantiles} if self.quantiles else found

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> FittedVote:
        """Inverse of `to_json`. Raises KeyError, TypeError, ValueError, EnsembleError for anything else."""
        quantiles = tuple(
            tuple(tuple(float(value) for value in column) for column in member)
            for member in record.get("quantiles", ())
        )
        weights = tuple(float(value) for value in record["weights"])
        return cls(str(record["kind"]), weights, bool(record["multi_label"]), quantiles)


def fitted_vote(
    kind: str, members: Members, weights: Floats, row_weights: Floats, multi_label: bool
) -> FittedVote:
    """The vote of that kind with these weights, (m,); row_weights (n,): rows that ranks refer to."""
    scale = normalised(weights, len(members))
    quantiles = fit_quantiles(members, row_weights) if kind == "rank" else ()
    return FittedVote(kind, tuple(scale.tolist()), multi_label, quantiles)

"""Candidates of one vote on the same rows, and answers that were fitted without one fold at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import shortened


@dataclass(frozen=True, kw_only=True)
class JudgedRows:
    """Rows whose true labels are known, and what judges answers to them."""

    labels: Labels  # (n,), or (n, L) of 0 and 1 where a row may have several labels
    folds: NDArray[np.int16]  # (n,)
    codes: NDArray[np.int64]  # (n,) number of each row's group; a group lies in one fold
    metric: str
    mode: str  # "max" or "min": which values of the metric are better
    mask: NDArray[np.bool_] | None = None  # (n,) rows that are judged; None stands for all

    def weights(self, row_weights: NDArray[np.floating] | None) -> Floats:
        """(n,) what each row counts: row_weights (None: 1 each), 0 for rows that are not judged.

        Raises EnsembleError for weights of another shape, negative or not finite ones, or all zero.
        """
        size = len(self.labels)
        given = np.ones(size) if row_weights is None else np.asarray(row_weights, np.float64)
        if given.shape != (size,) or not np.isfinite(given).all() or (given < 0).any():
            raise EnsembleError(f"row weights must be {size} finite numbers, none negative; got {given}")
        weights = given if self.mask is None else np.where(self.mask, given, 0.0)
        if not weights.any():
            raise EnsembleError("all row weights are 0: there is no row to fit to")
        return weights

    def by(self, metric: str, mode: str) -> JudgedRows:
        """The same rows judged by another metric."""
        return JudgedRows(
            labels=self.labels, folds=self.folds, codes=self.codes, metric=metric, mode=mode, mask=self.mask
        )

    @property
    def multi_label(self) -> bool:
        return self.labels.ndim == 2

    @property
    def sign(self) -> float:
        """1.0 where larger values of the metric are better, -1.0 where smaller ones are."""
        return -1.0 if self.mode == "min" else 1.0


@dataclass(frozen=True, kw_only=True)
class Pool(JudgedRows):
    """Candidates of one target on the same rows. The order of members and of rows means nothing.

    Raises EnsembleError for no members, shapes that differ, names that repeat, and probabilities that are not
    finite, with the member's name.
    """

    members: NDArray[np.float32]  # (m, n, C) out-of-fold probabilities, or (m, n, L)
    names: tuple[str, ...]  # (m,) each once: what a user calls them, such as "trial 7"
    families: tuple[str, ...] = field(default=())  # (m,) of which a vote takes only so many; (): no limits

    def __post_init__(self) -> None:
        count, size = len(self.names), len(self.labels)
        if not count:
            raise EnsembleError("a vote needs at least one member")
        if self.members.ndim != 3 or self.members.shape[:2] != (count, size):
            raise EnsembleError(
                f"members of shape {self.members.shape}: {count} names, {size} rows need ({count}, {size}, C)"
            )
        if len(set(self.names)) < count or len(self.families) not in (0, count):
            raise EnsembleError(f"{count} members need as many names, each once, and as many families")
        for name, member in zip(self.names, self.members, strict=True):
            if not np.isfinite(member).all():
                bad = np.flatnonzero(~np.isfinite(member).all(axis=1))
                raise EnsembleError(
                    f"probabilities of {name} are not finite in {len(bad)} of {size} rows "
                    f"({shortened([str(row) for row in bad])}), so it cannot vote; leave it out"
                )

    @cached_property
    def kept(self) -> dict[str, object]:
        """What others work out from the pool once and keep with it."""
        return {}

    @cached_property
    def by_name(self) -> NDArray[np.intp]:
        """(m,) members in the order of their names, so that the order they came in changes nothing."""
        return np.argsort(np.array(self.names), kind="stable")


@dataclass(frozen=True)
class Answers:
    """What is answered to all n rows, and what would be if a fold's labels were not known.

    A later step (temperature, decisions) that is fitted to `without[f]` on the other folds' rows, and scored
    on fold f's, has seen nothing of fold f.
    """

    final: Probabilities  # (n, C) fitted on all rows of positive weight
    without: Mapping[int, Probabilities]  # by fold, (n, C) each: fitted on the rows of all other folds

    def crossed(self, folds: NDArray[np.int16]) -> Probabilities:
        """(n, C): each row answered without its own fold; as in `final` where no such answer exists."""
        found = self.final.copy()
        for fold, answers in self.without.items():
            own = folds == fold
            found[own] = answers[own]
        return found

    def honest(self, folds: NDArray[np.int16], weights: Floats) -> Floats:
        """(n,): the weights of rows that `crossed` answers without their own fold, 0 elsewhere."""
        return np.where(np.isin(folds, list(self.without)), weights, 0.0)

    def map(self, change: Callable[[Probabilities], Probabilities]) -> Answers:
        """A change that was fitted to no label."""
        return Answers(change(self.final), {fold: change(item) for fold, item in self.without.items()})

"""The numbers every rule is built from; a rule uses those it needs and checks them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Required, TypedDict

from orchestrator.core.errors import SearchSpaceError


class RaceOptions(TypedDict, total=False):
    """As keyword arguments of every rule; see `RaceConfig`."""

    trials: Required[int]
    folds: Required[int]
    max_t: Required[int]
    grace_period: int
    reduction_factor: int
    finalists: int
    mode: str
    fold_order: Sequence[int] | None
    ladder: Sequence[Sequence[int]] | None
    max_retries: int


@dataclass(frozen=True)
class RaceConfig:
    """trials: known at the start; max_t: epochs of a full fold run; finalists: trials that must end complete.

    grace_period: epochs before anything is decided; reduction_factor: of the trials that go on, at least 2;
    fold_order: the folds that are run first come first (None: 0, 1, ...); ladder: (folds, epochs, quota) from
    the bottom; max_retries: of a fold run, in a row without a new epoch. Raises SearchSpaceError.
    """

    trials: int
    folds: int
    max_t: int
    grace_period: int = 1
    reduction_factor: int = 3
    finalists: int = 3
    mode: str = "max"
    fold_order: Sequence[int] | None = None
    ladder: Sequence[Sequence[int]] | None = None
    max_retries: int = 2

    def __post_init__(self) -> None:
        for name in ("trials", "folds", "max_t", "grace_period", "finalists"):
            check_whole(name, getattr(self, name), 1)
        check_whole("reduction_factor", self.reduction_factor, 2)
        check_whole("max_retries", self.max_retries, 0)
        if self.grace_period > self.max_t:
            raise SearchSpaceError(
                f"grace_period={self.grace_period} is longer than max_t={self.max_t}; lower one of them"
            )
        if self.mode not in ("max", "min"):
            raise SearchSpaceError(f"mode={self.mode!r} is neither 'max' nor 'min'; give one of them")
        if sorted(self.order) != list(range(self.folds)):
            raise SearchSpaceError(
                f"fold_order={self.order} must hold each of the {self.folds} folds 0 to {self.folds - 1} "
                "once; correct it"
            )

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(range(self.folds)) if self.fold_order is None else tuple(self.fold_order)


def check_whole(name: str, value: object, least: int) -> None:
    """Raises SearchSpaceError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SearchSpaceError(f"{name}={value!r} must be a whole number of at least {least}")

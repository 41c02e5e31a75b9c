"""The numbers every rule is built from; a rule uses those it needs and all of them are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from orchestrator.core.errors import SearchSpaceError

VERSION = 4
"""Version of what the rules decide; a journal is replayed by the version that wrote it."""
REPLAYED = (3, 4)
"""Versions whose decisions are still made, so that their journals go on: 3 did not look at jumps."""


def _knob(meaning: str, least: int, default: int | None = None) -> Any:
    """A field that holds a whole number of at least `least`."""
    about = {"meaning": meaning, "least": least}
    return field(metadata=about) if default is None else field(default=default, metadata=about)


@dataclass(frozen=True)
class RaceConfig:
    """What a race is built from. Raises SearchSpaceError for numbers that make no race.

    A knob is a field here; one that a search space declares under the same name is taken from there.
    """

    trials: int = _knob("trials known at the start; `Extended` adds more", 1)
    folds: int = _knob("folds of every trial", 1)
    max_t: int = _knob("epochs of a fold run at full length", 1)
    grace_period: int = _knob("epochs before anything is decided", 1, default=1)
    reduction_factor: int = _knob("factor by which trials become fewer from rung to rung", 2, default=3)
    finalists: int = _knob("trials that end complete", 1, default=3)
    early_votes: int = _knob("one fold-epoch in so many goes to an early vote; 0: none does", 0, default=3)
    mode: str = "max"  # "max" or "min": which scores are better
    fold_order: Sequence[int] | None = None  # the folds that run first come first; 0, 1, ... if not given
    ladder: Sequence[Sequence[int]] | None = None  # (folds, epochs, quota) from the bottom, for FoldASHA
    max_retries: int = _knob("retries of a fold run, in a row without a new epoch", 0, default=2)
    rule_version: int = _knob("version of the race; 3 does not look at jumps", min(REPLAYED), default=VERSION)

    def __post_init__(self) -> None:
        for knob in fields(self):
            if "least" in knob.metadata:
                _check_int(knob.name, getattr(self, knob.name), knob.metadata["least"])
        if self.grace_period > self.max_t:
            raise SearchSpaceError(
                f"grace_period={self.grace_period} is longer than max_t={self.max_t}; lower one of them"
            )
        if self.rule_version not in REPLAYED:
            known = " or ".join(map(str, REPLAYED))
            raise SearchSpaceError(f"rule_version={self.rule_version} is not known; give {known}")
        if self.mode not in ("max", "min"):
            raise SearchSpaceError(f"mode={self.mode!r} is neither 'max' nor 'min'; give one of them")
        if sorted(self.order) != list(range(self.folds)):
            raise SearchSpaceError(
                f"fold_order={self.order} must hold each of the {self.folds} folds 0 to {self.folds - 1} "
                "once; correct it"
            )

    @property
    def order(self) -> tuple[int, ...]:
        """All folds, the one that runs first at the front."""
        return tuple(range(self.folds)) if self.fold_order is None else tuple(self.fold_order)


NUMERIC_KNOBS = {item.name: item for item in fields(RaceConfig) if isinstance(item.default, int)}
"""Those a rule can be tried with on any table of curves: whole numbers that have a default."""


def config_from(source: object, **more: Any) -> RaceConfig:
    """With every number that `source` (a search space, say) has under the knob's name, and `more`."""
    known = {
        item.name: getattr(source, item.name) for item in fields(RaceConfig) if hasattr(source, item.name)
    }
    return RaceConfig(**{**known, **more})


def _check_int(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SearchSpaceError(f"{name}={value!r} must be a whole number of at least {least}")

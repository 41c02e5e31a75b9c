"""The rules: events in, decisions out. No Ray, no torch, no files."""

from __future__ import annotations

from typing import Unpack

from orchestrator.errors import SearchSpaceError
from orchestrator.race.baselines import Exhaustive, PooledASHA
from orchestrator.race.fold_asha import FoldASHA
from orchestrator.race.numbers import RaceNumbers
from orchestrator.race.rule import Rule

RULES: dict[str, type[Rule]] = {"fold_asha": FoldASHA, "exhaustive": Exhaustive, "pooled_asha": PooledASHA}

__all__ = ["RULES", "Exhaustive", "FoldASHA", "PooledASHA", "RaceNumbers", "Rule", "make_race"]


def make_race(name: str, **numbers: Unpack[RaceNumbers]) -> Rule:
    """A rule by its name. Raises SearchSpaceError for an unknown name or numbers that make no race."""
    if name not in RULES:
        raise SearchSpaceError(f"rule={name!r} is not known; give one of {', '.join(RULES)}")
    return RULES[name](**numbers)

"""The rules: events in, decisions out. No Ray, no torch, no files."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import SearchSpaceError
from orchestrator.race.baselines import Exhaustive, PooledASHA
from orchestrator.race.fold_asha import FoldASHA

RULES = {"fold_asha": FoldASHA, "exhaustive": Exhaustive, "pooled_asha": PooledASHA}

__all__ = ["RULES", "Exhaustive", "FoldASHA", "PooledASHA", "make_race"]


def make_race(
    name: str,
    *,
    trials: int,
    folds: int,
    max_t: int,
    grace_period: int = 1,
    reduction_factor: int = 3,
    finalists: int = 3,
    mode: str = "max",
    fold_order: Sequence[int] | None = None,
    ladder: Sequence[Sequence[int]] | None = None,
    max_retries: int = 2,
) -> FoldASHA | Exhaustive:
    """A rule by its name. Raises SearchSpaceError for an unknown name or numbers that make no race."""
    if name not in RULES:
        raise SearchSpaceError(f"rule={name!r} is not known; give one of {', '.join(RULES)}")
    rule: type[FoldASHA] | type[Exhaustive] = RULES[name]  # type: ignore[assignment]
    return rule(
        trials=trials,
        folds=folds,
        max_t=max_t,
        grace_period=grace_period,
        reduction_factor=reduction_factor,
        finalists=finalists,
        mode=mode,
        fold_order=fold_order,
        ladder=ladder,
        max_retries=max_retries,
    )

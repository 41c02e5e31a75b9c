"""The ladder a race climbs: rungs of (folds, epochs) with a quota of trials each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from orchestrator.errors import SearchSpaceError


@dataclass(frozen=True)
class Rung:
    """Trials are compared here on their first `folds` folds after `epochs` epochs; `quota` trials come."""

    folds: int
    epochs: int
    quota: int

    def __str__(self) -> str:
        return f"({self.folds}, {self.epochs})x{self.quota}"


Ladder = tuple[Rung, ...]


def build_ladder(
    trials: int, folds: int, max_t: int, grace_period: int, reduction_factor: int, finalists: int
) -> Ladder:
    """The default ladder: (1, t/9) (1, t/3) (2, 2t/3) (folds, t) at grace_period t/9, reduction_factor 3.

    One-fold rungs from grace_period up, each `reduction_factor` times longer, up to max_t / reduction_factor;
    then two folds at two thirds of the length; then everything. Quotas fall by `reduction_factor` from rung
    to rung, never below `finalists`.
    """
    shape = [(1, grace_period)]
    while shape[-1][1] * reduction_factor * reduction_factor <= max_t:
        shape.append((1, shape[-1][1] * reduction_factor))
    shape.append((min(2, folds), max(round(2 * max_t / 3), shape[-1][1])))
    shape.append((folds, max_t))
    steps = list(dict.fromkeys(shape))  # a short or one-fold race has fewer rungs
    least = min(finalists, trials)
    quotas = [max(trials // reduction_factor**level, least) for level in range(len(steps) - 1)]
    quotas = [*quotas, least] if quotas else [trials]
    return tuple(Rung(*step, quota) for step, quota in zip(steps, quotas, strict=True))


def check_ladder(steps: Sequence[Sequence[int]], trials: int, folds: int, max_t: int) -> Ladder:
    """A ladder given as (folds, epochs, quota). Raises SearchSpaceError where it cannot be climbed."""
    rungs = [_rung(step, number) for number, step in enumerate(steps, 1)]
    if not rungs:
        raise SearchSpaceError("ladder=[] has no rung; give (folds, epochs, quota) or leave ladder out")
    for number, (low, high) in enumerate(pairwise(rungs), 2):
        grows = high.folds >= low.folds and high.epochs >= low.epochs
        if not grows or (high.folds, high.epochs) == (low.folds, low.epochs):
            raise SearchSpaceError(
                f"ladder: rung {number} {high} does not go beyond rung {number - 1} {low}; "
                "folds and epochs may not fall and one must grow"
            )
        if high.quota > low.quota:
            raise SearchSpaceError(
                f"ladder: rung {number} {high} takes more trials than {low} below it; lower its quota"
            )
    first, last = rungs[0], rungs[-1]
    if (last.folds, last.epochs) != (folds, max_t):
        raise SearchSpaceError(
            f"ladder: its last rung {last} must be all folds={folds} at max_t={max_t}; change one of them"
        )
    if first.quota != trials:
        raise SearchSpaceError(
            f"ladder: its first rung {first} must take all trials={trials}; change one of them"
        )
    return tuple(rungs)


def resize(ladder: Ladder, trials: int) -> Ladder:
    """The same rungs for another number of trials: quotas in proportion, as many finalists as before."""
    last = min(ladder[-1].quota, trials)
    scale = trials / ladder[0].quota
    middle = [min(max(round(rung.quota * scale), last), trials) for rung in ladder[1:-1]]
    quotas = [trials, *middle, last] if len(ladder) > 1 else [trials]
    return tuple(Rung(rung.folds, rung.epochs, quota) for rung, quota in zip(ladder, quotas, strict=True))


def cost(ladder: Ladder) -> int:
    """Fold-epochs of the whole plan; what a rung shares with the one below is paid once."""
    total = done = 0
    for rung in ladder:
        total += rung.quota * (rung.folds * rung.epochs - done)
        done = rung.folds * rung.epochs
    return total


def describe(ladder: Ladder) -> str:
    """One line: what is compared where, and how many go on."""
    text = "; ".join(
        f"{rung.quota} at {_of(rung.folds, 'fold')} x {_of(rung.epochs, 'epoch')}" for rung in ladder
    )
    return f"{text} ({cost(ladder)} fold-epochs planned)"


def _of(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _rung(step: Any, number: int) -> Rung:
    whole = isinstance(step, Sequence) and len(step) == 3
    if not whole or not all(
        isinstance(item, int) and not isinstance(item, bool) and item > 0 for item in step
    ):
        raise SearchSpaceError(
            f"ladder: rung {number} is {step!r}; it must be three whole numbers above 0: folds, epochs, quota"
        )
    return Rung(*step)

"""The ladder a race climbs: rungs of (folds, epochs) with a quota of trials each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.text import counted
from orchestrator.race.config import RaceConfig


@dataclass(frozen=True)
class Rung:
    """Where trials are compared, and how many of them come."""

    folds: int  # the first so many of the fold order
    epochs: int  # each of these folds has done
    quota: int  # trials that come
    least: int = -1  # trials, where the study shows that fewer are enough; the quota itself if not given
    most: int = -1  # trials, where it shows that more are needed; the quota itself if not given
    widest: int = -1  # trials, where scores jump from epoch to epoch; `most` if not given

    def __post_init__(self) -> None:
        object.__setattr__(self, "least", self.quota if self.least < 0 else self.least)
        object.__setattr__(self, "most", self.quota if self.most < 0 else self.most)
        object.__setattr__(self, "widest", self.most if self.widest < 0 else self.widest)

    def __str__(self) -> str:
        return f"({self.folds}, {self.epochs})x{self.quota}"

    @property
    def quota_text(self) -> str:
        """The quota, and within which bounds it moves."""
        bounds = f" ({self.least} to {self.widest})" if self.least < self.widest else ""
        return f"{self.quota}{bounds}"


Ladder = tuple[Rung, ...]

# Of the default ladder, from the bottom: share of max_t, share of the folds, and where its quota lies between
# all trials (0) and the finalists (1) on a logarithmic scale. Chosen on tables: see docs/decisions.md, The
# race ("Five cheap rungs"), and docs/benchmarks/race.md.
SHAPE = (
    *((1 / 18, 0.0, 0.0), (1 / 6, 0.0, 0.36), (5 / 18, 0.0, 0.45)),
    *((7 / 18, 0.4, 0.62), (1 / 2, 1.0, 0.95), (1.0, 1.0, 1.0)),
)
LEAST_MULTIPLE, MOST_MULTIPLE = 0.75, 1.35
"""A quota between the second and the last moves between these multiples of itself: see docs/decisions.md,
The race ("The ladder follows the study")."""
WIDEST_MULTIPLE = 2.25
"""Where scores jump, quotas below the one before the last grow up to this multiple: see docs/decisions.md,
The race ("Jumps widen the quotas")."""


def ladder_of(cfg: RaceConfig) -> Ladder:
    """The one that is given, else the default. Raises SearchSpaceError for one that cannot be climbed."""
    if cfg.ladder is not None:
        return check_ladder(cfg.ladder, cfg.trials, cfg.folds, cfg.max_t)
    ladder = build_ladder(
        cfg.trials, cfg.folds, cfg.max_t, cfg.grace_period, cfg.reduction_factor, cfg.finalists
    )
    return ladder if cfg.rule_version == 3 else widened_for_jumps(ladder)


def build_ladder(
    trials: int, folds: int, max_t: int, grace_period: int, reduction_factor: int, finalists: int
) -> Ladder:
    """The default; 64 trials, 5 folds, 18 epochs: (1, 1)x64 (1, 3)x21 (1, 5)x16 (2, 7)x10 (5, 9)x3 (5, 18)x3.

    No rung is below grace_period epochs. reduction_factor 3 gives these quotas, 2 higher ones, 4 lower ones.
    """
    least = min(finalists, trials)
    rungs: list[Rung] = []
    for epochs_share, folds_share, depth in SHAPE:
        step = max(round(folds * folds_share), 1), min(max(round(max_t * epochs_share), grace_period), max_t)
        quota = _quota(trials, least, min(depth * math.log(reduction_factor, 3), 1.0))
        if rungs and step == (rungs[-1].folds, rungs[-1].epochs):
            continue  # a short or one-fold race has fewer rungs
        rungs.append(Rung(*step, quota))
    rungs[0] = replace(rungs[0], quota=trials, least=trials, most=trials)
    rungs[-1] = replace(rungs[-1], quota=least, least=least, most=least) if len(rungs) > 1 else rungs[0]
    return tuple(_following(rungs, least))


def _quota(trials: int, finalists: int, depth: float) -> int:
    """On a logarithmic scale from all trials (depth 0) to the finalists (depth 1)."""
    return max(round(math.exp((1 - depth) * math.log(trials) + depth * math.log(finalists))), finalists)


def _following(rungs: Sequence[Rung], finalists: int) -> list[Rung]:
    """The second quota is of what one epoch says and stays; the ones above move with what the study shows."""
    made = list(rungs)
    for number in range(2, len(rungs) - 1):
        quota = rungs[number].quota
        least = max(math.ceil(LEAST_MULTIPLE * quota), finalists)
        most = min(int(MOST_MULTIPLE * quota), rungs[number - 1].most)
        most = max(most, least)
        made[number] = replace(rungs[number], least=least, most=most, widest=most)
    return made


def widened_for_jumps(ladder: Ladder) -> Ladder:
    """With room for more trials at every rung but the first and the last two (`quota.jumps`)."""
    made = list(ladder)
    for number in range(1, len(made) - 2):
        rung = made[number]
        made[number] = replace(rung, widest=min(int(WIDEST_MULTIPLE * rung.most), made[number - 1].widest))
    return tuple(made)


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


def resize(ladder: Ladder, trials: int, finalists: int | None = None) -> Ladder:
    """The same rungs for another number of trials: quotas in proportion; as many finalists as before, or at
    most `finalists`."""
    last = min(ladder[-1].quota, trials, trials if finalists is None else finalists)
    scale = trials / ladder[0].quota
    middle = [min(max(round(rung.quota * scale), last), trials) for rung in ladder[1:-1]]
    quotas = [trials, *middle, last] if len(ladder) > 1 else [trials]
    return tuple(Rung(rung.folds, rung.epochs, quota) for rung, quota in zip(ladder, quotas, strict=True))


def ladder_for_later_cohort(ladder: Ladder) -> Ladder:
    """For trials that come after others have climbed: no more than do well beside those need go on."""
    return (ladder[0], *(replace(rung, least=0) for rung in ladder[1:]))


def with_room(ladder: Ladder, members: Sequence[int]) -> Ladder:
    """With quotas above the first of at least `members`, trials that have come already."""
    return (ladder[0], *map(_at_least, ladder[1:], members[1:]))


def _at_least(rung: Rung, members: int) -> Rung:
    bounds = (rung.quota, rung.least, rung.most, rung.widest)
    return Rung(rung.folds, rung.epochs, *(max(bound, members) for bound in bounds))


def cost(ladder: Ladder) -> int:
    """Fold-epochs of the plan; what a rung shares with the one below is paid once."""
    total = done = 0
    for rung in ladder:
        total += rung.quota * (rung.folds * rung.epochs - done)
        done = rung.folds * rung.epochs
    return total


def ladder_text(ladder: Ladder) -> str:
    """One line: what is compared where, and how many go on."""
    text = "; ".join(
        f"{rung.quota_text} at {counted(rung.folds, 'fold')} x {counted(rung.epochs, 'epoch')}"
        for rung in ladder
    )
    return f"{text} ({cost(ladder)} fold-epochs planned)"


def _rung(step: Any, number: int) -> Rung:
    three = isinstance(step, Sequence) and len(step) == 3
    if not three or not all(
        isinstance(item, int) and not isinstance(item, bool) and item > 0 for item in step
    ):
        raise SearchSpaceError(
            f"ladder: rung {number} is {step!r}; it must be three whole numbers above 0: folds, epochs, quota"
        )
    return Rung(*step)

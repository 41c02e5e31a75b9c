"""What stock ASHA is made of: milestones, and one list of scores per rung.

Source: L. Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (arXiv 1810.05934), in the
stopping form of Ray Tune's AsyncHyperBandScheduler.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sortedcontainers import SortedList

from orchestrator.core.text import counted
from orchestrator.race.config import RaceConfig


def milestones(cfg: RaceConfig) -> list[int]:
    """Epochs at which a score is compared, ascending: grace_period * reduction_factor^j up to max_t."""
    grace_period, factor = cfg.grace_period, cfg.reduction_factor
    # Ray's own arithmetic, with its rounding: another milestone would be another rule.
    count = int(math.log(cfg.max_t / grace_period) / math.log(factor) + 1)
    return [grace_period * factor**level for level in range(count)]


def expected_fold_epochs(fold_runs: float, steps: Sequence[int], cfg: RaceConfig) -> float:
    """Spent by `fold_runs` fold runs if exactly 1/reduction_factor of them went on at each of `steps`."""
    alive, done, total = fold_runs, 0, 0.0
    for milestone in [*steps, cfg.max_t]:
        total += alive * (milestone - done)
        alive, done = alive / cfg.reduction_factor, milestone
    return total


class ScoreList:
    """The scores recorded at one rung; larger is better."""

    def __init__(self, fraction: float) -> None:
        self._fraction = fraction
        self._scores: SortedList[float] = SortedList()

    def __len__(self) -> int:
        return len(self._scores)

    def cut(self) -> float:
        """What a score must not be below; -inf while there is none to compare with."""
        return percentile(self._scores, self._fraction) if self._scores else -math.inf

    def add(self, score: float) -> None:
        self._scores.add(score)


def cut_text(cut: float, sign: float, entries: int) -> str:
    """sign: -1 where lower scores are better."""
    return f"the cut {sign * cut:.4f} of {counted(entries, 'entry', 'entries')}"


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The value at `fraction` of an ascending list, interpolated as numpy.percentile does by default."""
    position = (len(ordered) - 1) * fraction
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)

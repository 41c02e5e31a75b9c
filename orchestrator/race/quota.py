"""How many trials go on to a rung, from what the rungs below have shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import islice

from orchestrator.race.cohort import Cohort, Ranked
from orchestrator.race.ladder import WIDEST_MULTIPLE

TIE = 1.8
"""A trial within this many standard deviations of what a rung changes may still be the best: see
docs/decisions.md, The race ("The ladder follows the study")."""
CALM, GAIN = 0.15, 2.0
"""Jumps (`jumps`) up to CALM change nothing; what is above widens the quotas by GAIN times itself: see
docs/decisions.md, The race ("Jumps widen the quotas")."""


def adaptive_quota(cohort: Cohort, rung: int, earlier: Sequence[Cohort], finalists: int) -> int:
    """Of `rung`, all entries of the rung below being in; within the rung's bounds.

    Those go on whose distance to the best is within TIE times `movement`: few where ranks have settled, many
    where they still cross. Of trials that come after others (`earlier`), those alone that may belong to the
    `finalists` of all.
    """
    step, below = cohort.ladder[rung], cohort.ranks[rung - 1]
    if not below:
        return step.least
    moved = movement([*earlier, cohort], rung - 1)
    quota = min(step.quota, len(below)) if earlier else step.quota
    # The second rung has only one epoch's word, and the last one takes the finalists, no more or fewer.
    if moved is not None and 1 < rung < cohort.top:
        quota = _at_least(cohort, rung - 1, -below[0][0] - TIE * moved)
    if step.widest > step.most:
        wider = widening(jumps([*earlier, cohort], max(rung - 1, 1)))
        least, most = round(wider * step.least), min(round(wider * step.most), len(below))
        quota = min(max(round(wider * quota) if rung == 1 else quota, least), most)
    best = _best(earlier, rung - 1, finalists)
    if len(best) < finalists:  # the earlier cohorts leave room among the finalists
        quota = max(quota, min(finalists - len(best), len(below)) if earlier else 0)
    elif rung == cohort.top or moved is not None:
        # As good as the last of the finalists so far, or near enough while ranks still cross.
        slack = 0.0 if rung == cohort.top else TIE * (moved or 0.0)
        quota = min(quota, _at_least(cohort, rung - 1, -best[-1][0] - slack))
    return min(max(quota, step.least), step.widest)


def widening(jumped: float) -> float:
    """What quotas are multiplied by where scores jump so much (`jumps`)."""
    return min(1.0 + GAIN * max(jumped - CALM, 0.0), WIDEST_MULTIPLE)


def jumps(cohorts: Sequence[Cohort], rung: int) -> float:
    """How much the better half of a rung falls back from epoch to epoch beside what sets it apart: the mean
    fall below the running best over the standard deviation of the scores. Curves that only rise have none,
    however fast. 0 where fewer than four trials have come."""
    entries = ((cohort, *ranked) for cohort in cohorts for ranked in cohort.ranks[rung])
    found = sorted((negative, cohort.falls[trial, rung]) for cohort, negative, trial in entries)
    if len(found) < 4:
        return 0.0
    half = found[: (len(found) + 1) // 2]
    spread = statistics.pstdev(negative for negative, _ in half)
    return statistics.fmean(fall for _, fall in half) / spread if spread > 0 else 0.0


def movement(cohorts: Sequence[Cohort], rung: int) -> float | None:
    """Standard deviation of what scores gained from the rung below to this one; None where fewer than
    three trials have both."""
    gains = [
        -negative - cohort.scores[trial, rung - 1]
        for cohort in cohorts
        for negative, trial in cohort.ranks[rung]
        if (trial, rung - 1) in cohort.scores
    ]
    return statistics.stdev(gains) if len(gains) >= 3 else None


def _at_least(cohort: Cohort, rung: int, score: float) -> int:
    """Entries with this score or a better one."""
    return int(cohort.ranks[rung].bisect_right((-score, cohort.trials.stop)))


def _best(cohorts: Sequence[Cohort], rung: int, count: int) -> list[Ranked]:
    """Of the entries at a rung of trials that did not fail, the `count` best or as many as there are."""
    best: list[Ranked] = []
    for cohort in cohorts:
        alive = (item for item in cohort.ranks[rung] if item[1] not in cohort.failed)
        best += islice(alive, count)
    return sorted(best)[:count]

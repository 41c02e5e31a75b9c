"""FoldASHA's ladder climbed rung by rung, one slot and no failures: the same finalists in a millisecond.

That they are the same is tested (tests/race/test_jumps.py).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats
from orchestrator.race.fold_asha import FALL, SLOPE
from orchestrator.race.ladder import Ladder, Rung
from orchestrator.race.quota import TIE, widening

Trials = NDArray[np.intp]


def climb(scores: Floats, ladder: Ladder, version: int) -> tuple[Trials, int]:
    """Finalists and fold-epochs. scores (trials, folds, epochs), each epoch's own, larger is better."""
    alive, spent, done = np.arange(len(scores)), 0, 0
    before: Floats | None = None
    for number, (low, high) in enumerate(pairwise(ladder), 1):
        spent += len(alive) * (low.folds * low.epochs - done)
        done = low.folds * low.epochs
        score, fall = entries(scores[alive], low, version)
        order = np.argsort(-score, kind="stable")
        wider = 1.0
        if high.widest > high.most:
            first = alive[order[: high.least]]
            wider = widening(
                jumped(*(entries(scores[first], high, version) if number == 1 else (score, fall)))
            )
        quota = min(round(wider * high.quota), high.widest)
        if 1 < number < len(ladder) - 1 and before is not None:
            near = int((score >= score.max() - TIE * np.std(score - before, ddof=1)).sum())
            quota = min(max(near, round(wider * high.least)), round(wider * high.most), high.widest)
        alive, before = alive[order[:quota]], score[order[:quota]]
    last = ladder[-1]
    return alive, spent + len(alive) * (last.folds * last.epochs - done)


def entries(scores: Floats, rung: Rung, version: int) -> tuple[Floats, Floats]:
    """(trials,) by what a rung ranks, and the mean fall below the running best."""
    own = scores[:, : rung.folds, : rung.epochs]
    best = np.maximum.accumulate(own, axis=2)
    fall = (best - own).sum(axis=2).mean(axis=1) / max(rung.epochs - 1, 1)
    mean, half = (best[:, :, at - 1].mean(axis=1) for at in (rung.epochs, max(rung.epochs // 2, 1)))
    return mean + SLOPE * (mean - half) - (FALL * fall if version > 3 else 0.0), fall


def jumped(score: Floats, fall: Floats) -> float:
    """`quota.jumps` of one cohort."""
    half = np.argsort(-score, kind="stable")[: (len(score) + 1) // 2]
    return float(fall[half].mean() / score[half].std())

"""How good the best of many trials looks where none of them knows anything: what the choice itself gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats
from orchestrator.evaluation.bootstrap import group_codes
from orchestrator.evaluation.resampled_scores import ResampledScores
from orchestrator.study_checks.material import Answered
from orchestrator.study_checks.unseen import UnseenError

DEALS = 100
TRIALS = 3
"""Complete trials whose answers are dealt; every other trial counts as one of these dealt once more."""
WORK = 40_000_000  # rows x classes that are dealt and scored
LEAST = 20  # deals, however many rows
AT_ONCE = 20_000  # rows
DRAWN = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class BestByChance:
    """Scores by which trials are ranked, larger is better."""

    dealt: float  # mean of one trial's answers, dealt
    highest: float  # what the best of all trials, at its best epochs, stays below in LEVEL of cases
    groups: int  # of the fold that has fewest


def best_by_chance(
    answers: Sequence[Answered], metric: str, sign: float, trials: int, epochs: int, rng: np.random.Generator
) -> BestByChance:
    """answers: of complete trials, the best first. trials: how many were judged. epochs: of a fold run.

    A permutation test of the largest of several scores (Westfall, Young, "Resampling-based multiple testing",
    1993). Within a fold the answers of a group are dealt to another group together, in any order, as rows of
    a group are answered alike and often have one label. Trials and epochs count as independent, though they
    are not: the line lies rather too high than too low. Stopped trials count as well, as they might have been
    chosen.
    """
    size = max(answers[0].probabilities.size, 1)
    taken = answers[: max(1, min(TRIALS, WORK // (LEAST * size)))]
    deals = int(np.clip(WORK // (len(taken) * size), LEAST, DEALS))
    scores = [sign * _dealt_scores(item, metric, deals, rng) for item in taken]
    best = np.full(DRAWN, -np.inf)
    for trial in range(trials):
        ordered = np.sort(scores[trial % len(taken)], axis=1)
        # The largest of several draws: their common distribution function, to the power of their number.
        places = rng.random((DRAWN, len(ordered))) ** (1 / epochs) * deals
        best = np.maximum(best, ordered[np.arange(len(ordered)), places.astype(int)].mean(axis=1))
    one = answers[0]
    groups = min(len(np.unique(one.groups[one.folds == fold])) for fold in np.unique(one.folds))
    return BestByChance(float(scores[0].mean()), float(np.quantile(best, LEVEL)), groups)


def _dealt_scores(answered: Answered, metric: str, deals: int, rng: np.random.Generator) -> Floats:
    """(folds, deals) of the folds on whose rows the metric is defined. Raises UnseenError for none."""
    codes, _ = group_codes(answered.groups)
    folds = [np.flatnonzero(answered.folds == fold) for fold in np.unique(answered.folds)]
    found = np.stack([_of_fold(answered, own, codes, metric, deals, rng) for own in folds])
    defined = np.isfinite(found).all(axis=1)
    if not defined.any():
        raise UnseenError(f"{metric} is undefined on the rows of every fold")
    kept: Floats = found[defined]
    return kept


def _of_fold(
    answered: Answered,
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    metric: str,
    deals: int,
    rng: np.random.Generator,
) -> Floats:
    """(deals,): some at once, each deal as a group of its own."""
    step, found = max(1, AT_ONCE // len(rows)), []
    for start in range(0, deals, step):
        count = min(step, deals - start)
        given = np.concatenate([_dealt(rows, codes, rng) for _ in range(count)])
        numbers = np.repeat(np.arange(count), len(rows))
        labels = answered.labels[np.tile(rows, count)]
        judge = ResampledScores(labels, answered.probabilities[given], numbers, count, metric)
        found.append(judge(np.eye(count, dtype=np.float32)))
    return np.concatenate(found)


def _dealt(rows: NDArray[np.int64], codes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """(m,): for each of the rows another, a whole group for a group where they are equally large.

    Within the group any row for any: photos of a group often come in one order, and a label that follows it
    (how a mask is worn) would survive the exchange.
    """
    place = rng.permutation(int(codes.max()) + 1)
    order = np.empty_like(rows)
    dealt = np.lexsort((rng.random(len(rows)), place[codes[rows]]))
    order[np.argsort(codes[rows], kind="stable")] = rows[dealt]
    return order

"""The interval of a score of out-of-fold answers, by one of several ways behind one name. Pure.

What each is about: `percentile` and `bayle` the score of these very models on new groups, `corrected_t` the
mean score of models trained anew on other rows, which varies more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import find, score
from orchestrator.evaluation.bootstrap import draw_bags, group_codes, percentile_interval
from orchestrator.evaluation.corrected_t import corrected_half_width
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.fold_scores import fold_scores
from orchestrator.evaluation.resampled_scores import ResampledScores, affordable, defined
from orchestrator.evaluation.resamples import folds_of_groups

DEFAULT = "percentile"
DOUBT = 1 / 3
"""On drawn studies and on tables, intervals of the naive score's width covered in 0.89 to 0.95, with this in
0.95: see docs/benchmarks/intervals.md."""
MOST_BLOCKS = 500
"""Groups of a fold are put together until there are so many: each is left out once."""


@dataclass(frozen=True)
class Answers:
    """Out-of-fold answers as they are judged. Raises EnsembleError for fewer than two groups."""

    labels: Labels  # (n,), or (n, L) where a row may have several labels
    probabilities: Probabilities  # (n, C) or (n, L)
    folds: NDArray[np.int16]  # (n,)
    groups: Sequence[object] | NDArray[np.generic]  # (n,)
    metric: str

    @property
    def score(self) -> float:
        return score(self.metric, self.labels, self.probabilities)


Ends = tuple[float, float, str]
"""Lower end, upper end, and what is to be said of the resamples; "" where nothing is."""


def percentile(answers: Answers, rng: np.random.Generator, repeats: int, level: float) -> Ends:
    """The middle of the scores of resampled groups (Efron 1979)."""
    codes, count = group_codes(answers.groups)
    weights = draw_bags(count, affordable(repeats, answers.metric), rng)
    scored = ResampledScores(answers.labels, answers.probabilities, codes, count, answers.metric)(weights)
    scores, note = defined(scored, answers.metric)
    return *percentile_interval(scores, level), note


def corrected_t(answers: Answers, rng: np.random.Generator, repeats: int, level: float) -> Ends:
    """From the scatter of the folds' scores (Nadeau & Bengio 2003); NaN for one fold."""
    folds = fold_scores(answers.labels, answers.probabilities, answers.folds, answers.metric)
    half = corrected_half_width(list(folds.scores.values()), level)
    return answers.score - half, answers.score + half, ""


def bayle(answers: Answers, rng: np.random.Generator, repeats: int, level: float) -> Ends:
    """Normal, by the scatter of the groups' shares of the score within each fold; NaN where it has none.

    Source: Bayle, Bayle, Janson, Mackey, NeurIPS 2020, "Cross-validation confidence intervals for test
    error", the within-fold variance; a group's share is its jackknife pseudo-value, which for a mean over
    rows is the group's own mean and makes the method apply to any metric.
    """
    codes, count = group_codes(answers.groups)
    blocks, of_fold = _blocks(folds_of_groups(answers.folds, codes, count), rng)
    left_out = (blocks != np.arange(len(of_fold))[:, None]).astype(np.float32)
    scored = ResampledScores(answers.labels, answers.probabilities, codes, count, answers.metric)(left_out)
    scores, note = defined(scored, answers.metric)
    half = float(ndtri((1 + level) / 2)) * _jackknife_error(scored, of_fold)
    return answers.score - half, answers.score + half, note if len(scores) < len(scored) else ""


def _blocks(
    group_folds: NDArray[np.int16], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    """(groups,) each group's block, and (blocks,) each block's fold."""
    order = rng.permutation(len(group_folds))
    order = order[np.argsort(group_folds[order], kind="stable")]
    share = max(1, math.ceil(len(order) / MOST_BLOCKS))
    blocks, folds, first = np.empty(len(order), np.int64), list[int](), 0
    for fold in np.unique(group_folds):
        own = order[group_folds[order] == fold]
        number = np.arange(len(own)) * max(1, len(own) // share) // len(own)  # of equal size, or one more
        blocks[own] = first + number
        folds += [int(fold)] * int(number[-1] + 1)
        first += int(number[-1] + 1)
    return blocks, np.array(folds, np.int16)


def _jackknife_error(scored: Floats, of_fold: NDArray[np.int16]) -> float:
    """Standard error of the score from its values without each block; folds of one block say nothing."""
    blocks = len(scored)
    squares, counted = 0.0, 0
    for fold in np.unique(of_fold):
        own = scored[(of_fold == fold) & np.isfinite(scored)]
        if len(own) > 1:
            squares += float(np.var(own, ddof=1)) * len(own)
            counted += len(own)
    if not counted:
        return math.nan
    # A pseudo-value is (blocks - 1) times as far from their mean as the score without the block.
    return (blocks - 1) * math.sqrt(squares / counted / blocks)


INTERVALS: dict[str, Callable[[Answers, np.random.Generator, int, float], Ends]] = {
    "percentile": percentile,
    "corrected_t": corrected_t,
    "bayle": bayle,
}


def scored(
    answers: Answers,
    rng: np.random.Generator,
    repeats: int = 1000,
    level: float = 0.95,
    interval: str = DEFAULT,
) -> Estimate:
    """The score of all rows with its interval. repeats: resamples of the groups.

    Raises EnsembleError for fewer than two groups, and where the metric is undefined on all resamples.
    """
    if interval not in INTERVALS:
        raise EnsembleError(f"interval={interval!r} is not known; use one of {', '.join(INTERVALS)}")
    _, count = group_codes(answers.groups)
    *ends, note = INTERVALS[interval](answers, rng, repeats, level)
    low, high = np.clip(ends, *find(answers.metric).bounds).tolist()
    return Estimate(answers.score, low, high, level, _METHODS[interval], count, meaning=note)


_METHODS = {
    "percentile": "group bootstrap, percentile interval",
    "corrected_t": "corrected resampled t over folds",
    "bayle": "normal interval, within-fold variance of groups",
}


def moved(found: Estimate, score: float, method: str, metric: str) -> Estimate:
    """The interval of `found` about a score that is corrected by replays, and wider, within what the metric
    can be.

    The correction is itself uncertain, the more so the larger it is: its standard deviation is taken to be
    DOUBT times its size and added to each side in squares.
    """
    by = score - found.score
    doubt = float(ndtri((1 + found.level) / 2)) * DOUBT * abs(by)
    ends = (
        score - math.hypot(found.score - found.low, doubt),
        score + math.hypot(found.high - found.score, doubt),
    )
    low, high = np.clip(ends, *find(metric).bounds).tolist()
    return replace(found, score=score, low=low, high=high, method=method)

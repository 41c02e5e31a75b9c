"""Which groups are fitted on and which are left out, over and over. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.evaluation.bootstrap import draw_bags
from orchestrator.evaluation.resampled_scores import ResampledScores


@dataclass(frozen=True)
class Resamples:
    """Weights of groups; those of weight 0 are left out and scored.

    So many resamples in a row (`pooled`) leave out every group exactly once and are scored together, as one
    answer of all rows: a score of few rows is not the score of many where the metric is no mean over rows.
    """

    weights: NDArray[np.float32]  # (resamples, groups)
    pooled: int = 1

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def words(self) -> str:
        """In a sentence."""
        if self.pooled == 1:
            return f"{len(self)} resamples"
        return f"{len(self)} resamples, {len(self) // self.pooled} times {self.pooled} parts left out in turn"


def bags(count: int, repeats: int, rng: np.random.Generator) -> Resamples:
    """Groups drawn with replacement, as many as there are: some 37% are left out each time.

    A bag of all groups leaves nothing to score on and is not among them.
    """
    drawn = draw_bags(count, repeats, rng)
    return Resamples(drawn[(drawn == 0).any(axis=1)])


def parts_in_turn(
    group_folds: NDArray[np.integer], repeats: int, rng: np.random.Generator, parts: int
) -> Resamples:
    """The groups dealt out into `parts` parts, each left out once; anew until there are `repeats` resamples.

    group_folds (groups,): each part takes of every fold as many groups as the others, or one more.
    """
    count = len(group_folds)
    parts = min(parts, count)
    rounds = max(1, round(repeats / parts))
    weights = np.empty((rounds, parts, count), np.float32)
    for number in range(rounds):
        order = rng.permutation(count)
        order = order[np.argsort(group_folds[order], kind="stable")]
        part = np.empty(count, np.int64)
        part[order] = (np.arange(count) + rng.integers(parts)) % parts
        weights[number] = part != np.arange(parts)[:, None]
    return Resamples(weights.reshape(-1, count), parts)


def folds_of_groups(folds: NDArray[np.int16], codes: NDArray[np.int64], count: int) -> NDArray[np.int16]:
    """(groups,): the fold of each group's first row."""
    first = np.full(count, len(codes), np.int64)
    np.minimum.at(first, codes, np.arange(len(codes)))
    found: NDArray[np.int16] = folds[first]
    return found


def scores_left_out(
    resamples: Resamples,
    answers: Callable[[int], Probabilities],
    labels: Labels,
    codes: NDArray[np.int64],
    metric: str,
) -> Floats:
    """(resamples / pooled,): the metric of the rows left out; NaN where it is undefined on them.

    answers: number of a resample -> (n, C), of which the rows left out are read. labels (n,); codes (n,).
    """
    return np.array(
        [
            ResampledScores(labels[rows], found, np.zeros(len(rows), np.int64), 1, metric)(np.ones((1, 1)))[0]
            for rows, found in _left_out(resamples, answers, codes)
        ]
    )


def _left_out(
    resamples: Resamples, answers: Callable[[int], Probabilities], codes: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Probabilities]]:
    for first in range(0, len(resamples), resamples.pooled):
        rows, found = [], []
        for number in range(first, first + resamples.pooled):
            out = np.flatnonzero(resamples.weights[number][codes] == 0)
            rows.append(out)
            found.append(answers(number)[out])
        yield np.concatenate(rows), np.concatenate(found)

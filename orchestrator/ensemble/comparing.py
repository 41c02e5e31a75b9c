"""The product of several models beside the one joint model: in all, by task and by class. Pure.

Every route answers each fold's rows as it was fitted to the other folds'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics import applicable, is_own, score
from orchestrator.data.targets import Joint, Target
from orchestrator.evaluation.bootstrap import draw_bags, group_codes, percentile_interval
from orchestrator.evaluation.paired import PairedDifference
from orchestrator.evaluation.resampled_scores import ResampledScores, affordable

CLASS_METRIC = "binary_f1"
"""Of one class against all others."""
LEVEL = 0.95


@dataclass(frozen=True)
class Compared:
    """Several answers to one question."""

    scope: str  # "all", "task" or "class"
    name: str  # of the task or class; of all, the target's
    metric: str
    rows: int
    scores: dict[str, float]  # by answer
    differences: dict[tuple[str, str], PairedDifference]  # by first and second answer: second minus first

    def to_json(self) -> dict[str, Any]:
        differences = [
            {
                "of": second,
                "minus": first,
                "difference": item.difference,
                "low": item.low,
                "high": item.high,
                "level": item.level,
                "groups": item.n_groups,
            }
            for (first, second), item in self.differences.items()
        ]
        return {
            "scope": self.scope,
            "name": self.name,
            "metric": self.metric,
            "rows": self.rows,
            "scores": self.scores,
            "differences": differences,
        }


@dataclass(frozen=True)
class Question:
    """What is asked of the answers: labels and what of the probabilities answers them."""

    scope: str
    name: str
    metric: str
    labels: Labels
    rows: int


def compare_routes(
    target: Target,
    labels: Labels,
    groups: NDArray[np.generic],
    metric: str,
    answers: dict[str, Probabilities],
    rng: np.random.Generator,
    repeats: int = 1000,
) -> list[Compared]:
    """answers: by name, (n, C) each. labels, groups (n,). All on the same resamples of the groups, so that
    what makes a resample easy or hard for all of them cancels out. Raises EnsembleError for one group."""
    codes, count = group_codes(groups)
    bags = draw_bags(count, affordable(repeats, metric), rng)
    found = []
    for question, asked in _questions(target, labels, metric, answers):
        scores = {name: score(question.metric, question.labels, item) for name, item in asked.items()}
        resampled = {
            name: ResampledScores(question.labels, item, codes, count, question.metric)(bags)
            for name, item in asked.items()
        }
        differences = {
            pair: _difference(question, scores, resampled, pair, (len(labels), count))
            for pair in combinations(asked, 2)
        }
        known = {pair: item for pair, item in differences.items() if item is not None}
        found.append(Compared(question.scope, question.name, question.metric, question.rows, scores, known))
    return found


def _difference(
    question: Question,
    scores: dict[str, float],
    resampled: dict[str, Floats],
    pair: tuple[str, str],
    size: tuple[int, int],
) -> PairedDifference | None:
    """None where it is undefined on every resample."""
    first, second = pair
    gains = resampled[second] - resampled[first]
    if not np.isfinite(gains).any():
        return None
    low, high = percentile_interval(gains[np.isfinite(gains)], LEVEL)
    return PairedDifference(scores[first], scores[second], low, high, LEVEL, question.metric, *size)


def _questions(
    target: Target, labels: Labels, metric: str, answers: dict[str, Probabilities]
) -> Iterator[tuple[Question, dict[str, Probabilities]]]:
    yield Question("all", target.name, metric, labels, len(labels)), answers
    if isinstance(target, Joint):
        own = np.unravel_index(labels, target.sizes)
        for axis, part in enumerate(target.parts):
            task = Question("task", part.name, _metric_of(part, metric), own[axis], len(labels))
            yield task, {name: marginal(item, target.sizes, axis) for name, item in answers.items()}
    for number, name in enumerate(target.classes):
        indicator = (labels == number).astype(np.int64)
        question = Question("class", name, CLASS_METRIC, indicator, int(indicator.sum()))
        yield question, {key: _against_others(item, number) for key, item in answers.items()}


def marginal(probabilities: Probabilities, sizes: Sequence[int], axis: int) -> Probabilities:
    """(n, sizes[axis]): of one part of a joint target, the others summed out. probabilities (n, C)."""
    cells = probabilities.astype(np.float64).reshape(len(probabilities), *sizes)
    others = tuple(number + 1 for number in range(len(sizes)) if number != axis)
    found: Probabilities = cells.sum(axis=others).astype(np.float32)
    return found


def _metric_of(part: Target, metric: str) -> str:
    return metric if is_own(metric) or metric in applicable(part.task) else "macro_f1"


def _against_others(probabilities: Probabilities, number: int) -> Probabilities:
    """(n, 2) of 0 and 1: whether the most probable class is this one."""
    found: Probabilities = np.eye(2, dtype=np.float32)[(probabilities.argmax(axis=1) == number).astype(int)]
    return found

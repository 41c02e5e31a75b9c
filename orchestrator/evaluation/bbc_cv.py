"""What a score is worth: per fold, with an interval, and corrected for having been chosen. Pure.

Groups (people), never rows, are resampled: photos of one person are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.evaluation.bootstrap import _bags, _codes, _interval
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.resampled_scores import ResampledScores
from orchestrator.evaluation.voting import Vote


@dataclass(frozen=True)
class Candidates:
    """The trials of one study among which the best `top` are chosen.

    members: OOF probabilities of each, (n, C); labels (n,) and folds (n,) of the same rows;
    metric, mode: what they are ranked by, as the mean over folds;
    within (n,): the rows they are ranked on; None: all.
    """

    members: Sequence[Probabilities]
    labels: Labels
    folds: NDArray[np.int16]
    top: int
    metric: str
    mode: str
    within: NDArray[np.bool_] | None = None


def bbc_cv(
    parts: Sequence[Candidates],
    labels: Labels,
    groups: Sequence[object] | NDArray[np.generic],
    metric: str,
    vote: Vote,
    combine: Callable[[Sequence[Probabilities]], Probabilities],
    rng: np.random.Generator,
    repeats: int = 1000,
    level: float = 0.95,
    progress: Progress | None = None,
) -> Estimate:
    """Bootstrap bias-corrected CV over the whole pipeline: choose, vote, combine, score out of the bag.

    Each repeat draws groups with replacement; in every part the `top` trials by in-bag score (on the rows it
    is of) are chosen and voted, the parts are combined, and the metric of `labels` (n,) is taken on the
    groups not drawn. The score is the mean over repeats; the interval is that of the out-of-bag scores, each
    of some 37% of the groups, and so rather too wide than too narrow.
    Source: Tsamardinos, Greasidou, Borboudakis, Machine Learning 107 (2018), "Bootstrapping the out-of-sample
    predictions for efficient and accurate cross-validation", algorithm 2, with groups for samples.
    """
    codes, count = _codes(groups)
    weights = _bags(count, repeats, rng)
    weights = weights[(weights == 0).any(axis=1)]  # a bag of all groups leaves nothing to score on
    advance = _Steps(sum(len(part.members) for part in parts) + len(weights), progress)
    chosen = [_chosen(part, codes, weights, advance) for part in parts]
    choices, which = np.unique(np.hstack(chosen), axis=0, return_inverse=True)
    voted = _VotedParts(parts, vote)
    scores = np.empty(len(weights))
    for number, choice in enumerate(choices):
        repeats_of_it = np.flatnonzero(which.ravel() == number)
        probabilities = combine(voted(choice))
        outside = (weights[repeats_of_it] == 0).astype(np.float32)
        scores[repeats_of_it] = ResampledScores(labels, probabilities, codes, count, metric)(outside)
        advance(len(repeats_of_it))
    low, high = _interval(scores, level)
    return Estimate(float(scores.mean()), low, high, level, f"BBC-CV, {len(weights)} repeats", count)


class _Steps:
    """Counts steps done, of members scored and repeats judged."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None:
            self._progress(self._done, self._total)


def _chosen(
    part: Candidates, codes: NDArray[np.int64], weights: NDArray[np.float32], advance: _Steps
) -> NDArray[np.int64]:
    """(repeats, top): members with the best mean over folds of the in-bag score, in ascending order."""
    in_bag = np.empty((len(weights), len(part.members)))
    for number, member in enumerate(part.members):
        in_bag[:, number] = _mean_over_folds(part, member, codes, weights)
        advance(1)
    ranked = np.argsort(-in_bag if part.mode == "max" else in_bag, axis=1, kind="stable")
    return np.sort(ranked[:, : part.top], axis=1)


def _mean_over_folds(
    part: Candidates, member: Probabilities, codes: NDArray[np.int64], weights: NDArray[np.float32]
) -> Floats:
    """Over the folds of which a bag holds anything."""
    total, held = np.zeros(len(weights)), np.zeros(len(weights))
    within = np.ones(len(part.folds), np.bool_) if part.within is None else part.within
    for fold in np.unique(part.folds[within]):
        rows = within & (part.folds == fold)
        here, local = np.unique(codes[rows], return_inverse=True)
        bags = weights[:, here]
        scores = ResampledScores(part.labels[rows], member[rows], local.ravel(), len(here), part.metric)(bags)
        some = bags.any(axis=1)
        total += np.where(some, scores, 0.0)
        held += some
    return total / np.maximum(held, 1)


class _VotedParts:
    """Votes of chosen members. Of several parts each subset is voted once and kept: subsets of one part recur
    in many combinations. With one part none recurs, and keeping a thousand votes could fill the memory."""

    def __init__(self, parts: Sequence[Candidates], vote: Vote) -> None:
        self._parts = parts
        self._vote = vote
        self._seen: dict[tuple[int, ...], Probabilities] = {}

    def __call__(self, choice: NDArray[np.int64]) -> list[Probabilities]:
        """choice: the members of every part, one part after another."""
        widths = [min(part.top, len(part.members)) for part in self._parts]
        subsets = np.split(choice, np.cumsum(widths)[:-1])
        return [self._voted(number, subset.tolist()) for number, subset in enumerate(subsets)]

    def _voted(self, number: int, subset: list[int]) -> Probabilities:
        key = (number, *subset)
        if key in self._seen:
            return self._seen[key]
        voted = self._vote([self._parts[number].members[index] for index in subset])
        if len(self._parts) > 1:
            self._seen[key] = voted
        return voted

"""What the score of chosen members is worth once the choice is counted in. Pure.

Groups, never rows, are resampled: rows of one group are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.callbacks import Progress, Steps
from orchestrator.evaluation.bootstrap import draw_bags, group_codes, percentile_interval
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.fold_means import FoldMeans
from orchestrator.evaluation.resampled_scores import ResampledScores, affordable, defined
from orchestrator.evaluation.voted import Candidates, Combine, PlainVote
from orchestrator.evaluation.voting import Vote


def bbc_cv(
    studies: Sequence[Candidates],
    labels: Labels,
    groups: Sequence[object] | NDArray[np.generic],
    metric: str,
    vote: Vote,
    combine: Combine,
    rng: np.random.Generator,
    repeats: int = 1000,
    level: float = 0.95,
    progress: Progress | None = None,
) -> Estimate:
    """Bootstrap bias-corrected CV over the whole pipeline: choose, vote, combine, score out of the bag.

    Each repeat draws groups with replacement; in every study the `top` trials by in-bag score (on the rows it
    is of) are chosen and voted, the studies are combined, and the metric of `labels`, (n,) or (n, L), is
    taken on the groups not drawn; repeats on which it is undefined are left out. The score is the mean over
    repeats; the interval is that of the out-of-bag scores, each of some 37% of the groups, and so rather too
    wide than too narrow.
    Source: Tsamardinos, Greasidou, Borboudakis, Machine Learning 107 (2018), "Bootstrapping the out-of-sample
    predictions for efficient and accurate cross-validation", algorithm 2, with groups for samples.
    """
    codes, count = group_codes(groups)
    weights = draw_bags(count, affordable(repeats, metric), rng)
    weights = weights[(weights == 0).any(axis=1)]  # a bag of all groups leaves nothing to score on
    scores = scores_out_of_bags(PlainVote(studies, vote, combine), labels, codes, weights, metric, progress)
    scores, note = defined(scores, metric)
    low, high = percentile_interval(scores, level)
    method = f"BBC-CV, {len(scores)} repeats"
    return Estimate(float(scores.mean()), low, high, level, method, count, meaning=note)


def scores_out_of_bags(
    plain: PlainVote,
    labels: Labels,
    codes: NDArray[np.int64],
    weights: NDArray[np.float32],
    metric: str,
    progress: Progress | None = None,
) -> Floats:
    """(repeats,): the metric of the rows whose group has no weight, NaN where it is undefined on them.

    labels (n,) or (n, L); codes (n,); weights (repeats, groups).
    """
    advance = Steps(sum(len(study.members) for study in plain.studies) + len(weights), progress)
    chosen = [_chosen(study, codes, weights, advance) for study in plain.studies]
    # Many repeats choose the same members: each choice is voted and combined once.
    choices, which = np.unique(np.hstack(chosen), axis=0, return_inverse=True)
    voted = _VotedStudies(plain.studies, plain.vote)
    scores = np.empty(len(weights))
    for number, choice in enumerate(choices):
        repeats_of_it = np.flatnonzero(which.ravel() == number)
        probabilities = plain.combine(voted(choice))
        outside = (weights[repeats_of_it] == 0).astype(np.float32)
        scores[repeats_of_it] = ResampledScores(labels, probabilities, codes, weights.shape[1], metric)(
            outside
        )
        advance(len(repeats_of_it))
    return scores


def _chosen(
    study: Candidates, codes: NDArray[np.int64], weights: NDArray[np.float32], advance: Steps
) -> NDArray[np.int64]:
    """(repeats, top): members with the best mean over folds of the in-bag score, in ascending order."""
    in_bag = _means_over_folds(study, codes, weights, advance)
    # NaN sorts last in both directions.
    ranked = np.argsort(-in_bag if study.mode == "max" else in_bag, axis=1, kind="stable")
    return np.sort(ranked[:, : study.top], axis=1)


def _means_over_folds(
    study: Candidates, codes: NDArray[np.int64], weights: NDArray[np.float32], advance: Steps
) -> Floats:
    """(repeats, members): over the folds of which a bag holds enough to score, as the study ranks its trials.

    NaN where it holds enough of none.
    """
    means = FoldMeans(study.labels, study.folds, codes, weights, study.metric, study.condition_mask)
    found = np.empty((len(weights), len(study.members)))
    for number, member in enumerate(study.members):
        found[:, number] = means(member)
        advance(1)
    return found


class _VotedStudies:
    """Votes of chosen members. Of several studies each subset is voted once and kept: subsets of one study
    recur in many combinations. With one study none recurs, and a thousand votes could fill the memory."""

    def __init__(self, studies: Sequence[Candidates], vote: Vote) -> None:
        self._studies = studies
        self._vote = vote
        self._seen: dict[tuple[int, ...], Probabilities] = {}

    def __call__(self, choice: NDArray[np.int64]) -> list[Probabilities]:
        """choice: the members of every study, one study after another."""
        widths = [min(study.top, len(study.members)) for study in self._studies]
        subsets = np.split(choice, np.cumsum(widths)[:-1])
        return [self._voted(number, subset.tolist()) for number, subset in enumerate(subsets)]

    def _voted(self, number: int, subset: list[int]) -> Probabilities:
        key = (number, *subset)
        if key in self._seen:
            return self._seen[key]
        voted = self._vote([self._studies[number].members[index] for index in subset])
        if len(self._studies) > 1:
            self._seen[key] = voted
        return voted

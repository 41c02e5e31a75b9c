"""Scores of a leaderboard beside what was known out of fold when they came."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from orchestrator.core.errors import EnsembleError, OrchestratorError
from orchestrator.core.metrics import find
from orchestrator.core.text import counted, shortened
from orchestrator.ensemble_record.finding import newest_ensemble
from orchestrator.ensemble_record.record import EnsembleRecord, read_record
from orchestrator.evaluation.corrected_t import corrected_half_width
from orchestrator.evaluation.rank_correlation import LEAST, rank_correlation
from orchestrator.studies.listing import ListedStudy
from orchestrator.study.remarks import LeaderboardScore
from orchestrator.study.study import Study

KNOWN = ("bbc_race", "bbc", "cross_fitted", "naive")
"""Which of an ensemble's estimates stands for it: the one that corrects most first."""
FOLD_MEAN = "fold_mean"


def leaderboard_score(
    study: Study,
    public: float | None,
    private: float | None,
    ensemble: Path | None = None,
    note: str = "",
    now: float | None = None,
) -> LeaderboardScore:
    """With the out-of-fold score of the ensemble that was submitted (None: the newest in the study's folder),
    or of the best trial where there is none. Raises EnsembleError for a folder that is no ensemble."""
    when = time.time() if now is None else now
    folder = ensemble or _newest(study.path)
    if folder is None:
        return _of_best_trial(study, when, public, private, note)
    record = read_record(folder)
    _refuse_without_the_study(folder, record, study)
    key = next((key for key in KNOWN if key in record.estimates and record.estimates[key].is_defined), "")
    if not key:
        return LeaderboardScore(
            when, public, private, record.metric, None, None, None, "", folder.name, None, note
        )
    found = record.estimates[key]
    ends = (_finite(found.low), _finite(found.high))
    return LeaderboardScore(
        when, public, private, record.metric, found.score, *ends, key, folder.name, None, note
    )


def beyond_bounds(score: LeaderboardScore) -> list[str]:
    """A sentence for each number that no score of the study's metric can be: a percentage, or a slip."""
    try:
        low, high = find(score.metric).bounds
    except OrchestratorError:
        return []  # a metric of one's own, whose file may be gone
    numbers = {"public": score.public, "private": score.private}
    between = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
    return [
        f"{name} {value:g} is no {score.metric}, which is {between}"
        for name, value in numbers.items()
        if value is not None and not low <= value <= high
    ]


def _refuse_without_the_study(folder: Path, record: EnsembleRecord, study: Study) -> None:
    """One in the study's folder is of it, though that was renamed since."""
    members = [name.rpartition("/")[2] for name in record.studies]
    if folder.resolve().is_relative_to(study.path.resolve()):
        return
    if not {study.path.name, study.header.name} & set(members):
        raise EnsembleError(
            f"ensemble {folder} has no member of study {study.path.name}, it is of {shortened(members)}; "
            "note its score there"
        )


def _newest(study: Path) -> Path | None:
    try:
        return newest_ensemble(study)
    except EnsembleError:
        return None


def _of_best_trial(
    study: Study, when: float, public: float | None, private: float | None, note: str
) -> LeaderboardScore:
    complete, metric = study.complete_trials(), study.header.metric
    if not complete:
        return LeaderboardScore(when, public, private, metric, None, None, None, "", "", None, note)
    best = complete[0]
    half = corrected_half_width([fold.score for fold in best.bests])
    ends = (_finite(best.score - half), _finite(best.score + half))
    return LeaderboardScore(
        when, public, private, metric, best.score, *ends, FOLD_MEAN, "", best.number, note
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def agreement_lines(scores: Iterable[LeaderboardScore], smaller_is_better: Collection[str] = ()) -> list[str]:
    """How well the order out of fold foretold that of a leaderboard; scores: of one data set.

    Scores of other metrics have no common order, nor have estimates that correct for other things: each pair
    of them is compared by itself. smaller_is_better: metrics.
    """
    known = [score for score in scores if score.oof is not None]
    lines = []
    for metric, estimate in sorted({(score.metric, score.estimate) for score in known}):
        of_kind = [score for score in known if (score.metric, score.estimate) == (metric, estimate)]
        told = [*_agreement("public", of_kind), *_agreement("private", of_kind)]
        sign = (
            f"; a smaller {metric} is better: where a larger score wins on the leaderboard, full agreement "
            "is -1"
            if metric in smaller_is_better
            else ""
        )
        lines += [f"{line}{sign}" for line in told]
    return lines


def _agreement(name: str, scores: Sequence[LeaderboardScore]) -> Iterator[str]:
    """name: public, private; scores: of one metric and kind of estimate."""
    pairs = [
        (item.oof, value)
        for item in scores
        if item.oof is not None and (value := getattr(item, name)) is not None
    ]
    if not pairs:
        return
    found = rank_correlation([oof for oof, _ in pairs], [value for _, value in pairs])
    few = f"{counted(len(pairs), 'pair')}; from {LEAST} on their order is compared"
    what = f"{name} against out of fold ({scores[0].metric}, {scores[0].estimate})"
    yield f"{what}: {few if found is None else found}"


def scores_like(study: ListedStudy, others: Iterable[ListedStudy]) -> list[LeaderboardScore]:
    """Of all studies of the same rows, by the same metric, oldest first."""
    metrics = {study.metric, *(item.metric for item in study.remarks.scores)}
    found = [
        score
        for other in others
        if other.path == study.path or (study.rows and other.rows == study.rows)
        for score in other.remarks.scores
        if score.metric in metrics
    ]
    return sorted(found, key=lambda score: score.time)

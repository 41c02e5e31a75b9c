"""Which of a study's complete trials may be the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.metrics import is_own
from orchestrator.data.manifest import Manifest
from orchestrator.evaluation.confidence_set import ConfidenceSet, confidence_set
from orchestrator.evaluation.corrected_t import fold_difference
from orchestrator.space import SearchSpace
from orchestrator.space.condition import condition_mask
from orchestrator.study.predictions import Prediction


class _Score(Protocol):
    @property
    def score(self) -> float: ...


class _CompleteTrial(Protocol):
    @property
    def number(self) -> int: ...

    @property
    def bests(self) -> Sequence[_Score]: ...


class Ranked(Protocol):
    """What is needed of a study; `Study` itself stands on this file."""

    @property
    def space(self) -> SearchSpace: ...

    def complete_trials(self) -> Sequence[_CompleteTrial]: ...

    def manifest(self) -> Manifest: ...

    def oof(self, trial: int) -> Prediction: ...


def best_trials(study: Ranked, level: float, repeats: int, rng: np.random.Generator) -> ConfidenceSet:
    """See `Study.confidence_set`."""
    numbers = [trial.number for trial in study.complete_trials()]
    try:
        return _from_predictions(study, numbers, level, repeats, rng)
    except OrchestratorError as error:  # predictions or rows that are missing or are others
        return ConfidenceSet((), level, len(numbers), 0, str(error))


def _from_predictions(
    study: Ranked, numbers: list[int], level: float, repeats: int, rng: np.random.Generator
) -> ConfidenceSet:
    space = study.space
    if len(numbers) > 1 and is_own(space.metric):
        reason = f"{space.metric} is a function of your own, which is not called for it"
        return ConfidenceSet((), level, len(numbers), 0, reason)
    if len(numbers) < 2:
        return ConfidenceSet(
            tuple(numbers), level, len(numbers), 0, "" if numbers else "no trial is complete"
        )
    first = study.oof(numbers[0])
    frame = study.manifest().frame
    mask = condition_mask(space, frame)
    return confidence_set(
        numbers,
        (study.oof(number).probabilities for number in numbers),
        first.labels,
        first.folds,
        frame["group"].astype(str).to_numpy(dtype=str)[first.rows],
        space.metric,
        space.mode,
        rng,
        repeats,
        level,
        None if mask is None else mask[first.rows],
    )


def with_best(board: pd.DataFrame, complete: Sequence[_CompleteTrial], found: ConfidenceSet) -> pd.DataFrame:
    """A leaderboard with what tells its complete trials (best first) from the best, after their scores."""
    scores = {trial.number: [best.score for best in trial.bests] for trial in complete}
    first = next(iter(scores.values()), [])
    behind = {trial: fold_difference(first, own) for trial, own in scores.items()}
    inside = {trial: trial in found.trials for trial in scores} if found.trials else {}
    trials = board["trial"]
    columns = {
        "may_be_best": trials.map(inside.get).astype("boolean"),
        "minus_best": trials.map({trial: item.mean for trial, item in behind.items()}),
        "minus_best_low": trials.map({trial: item.low for trial, item in behind.items()}),
        "minus_best_high": trials.map({trial: item.high for trial, item in behind.items()}),
    }
    place = board.columns.tolist().index("score") + 1
    before, after = board.iloc[:, :place], board.iloc[:, place:]
    return pd.concat([before, pd.DataFrame(columns), after], axis=1)

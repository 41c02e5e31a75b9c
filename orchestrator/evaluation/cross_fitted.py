"""The score of answers that were fitted, fold by fold, on the other folds. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.estimate import Estimate, no_estimate
from orchestrator.evaluation.method import Method

MEANING = (
    "Each fold's rows are answered by what was chosen and fitted on the other folds' rows: members, weights, "
    "temperature and decisions have not seen them. Not corrected: each fold's epoch was chosen on its own "
    "rows, and the race chose the complete trials on all of them."
)

SUMMARY = "corrected: members, weights, temperature, decisions; not: epochs, the race"

OF_TWO_FOLDS = (
    "There are two folds, so all was fitted to one of them, where nothing can be gated: the score is "
    "that of the best trial, or of the vote that was asked for, with no blend, temperature or decisions."
)


def cross_fitted_answers(method: Method, folds: NDArray[np.int16]) -> Probabilities:
    """(n, C): the rows of each fold as a method answers them that was fitted on the other folds alone.

    folds (n,). Raises EnsembleError for one fold: there is no other to fit on.
    """
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise EnsembleError("all rows are of one fold, so there is no other one to fit on")
    found: Probabilities | None = None
    for fold in numbers:
        own = folds == fold
        answered = method((~own).astype(np.float32))
        found = np.empty_like(answered) if found is None else found
        found[own] = answered[own]
    assert found is not None
    return found


def cross_fitted(
    method: Method,
    labels: Labels,
    folds: NDArray[np.int16],
    groups: Sequence[object] | NDArray[np.generic],
    metric: str,
    rng: np.random.Generator,
    repeats: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """The pooled score of `cross_fitted_answers`, with a percentile interval over resampled groups.

    labels (n,), or (n, L); folds, groups (n,). Where it cannot be made, an estimate that says why.
    """
    title = f"Cross-fitted {metric}"
    try:
        answers = cross_fitted_answers(method, folds)
        found = group_bootstrap(labels, answers, groups, metric, rng, repeats, level)
    except EnsembleError as error:
        return no_estimate("cross_fitted", title, f"{error}.", level)
    meaning, summary = MEANING, SUMMARY
    if len(np.unique(folds)) == 2:
        meaning, summary = f"{MEANING} {OF_TWO_FOLDS}", f"{SUMMARY}; with two folds nothing is gated"
    return found.described("cross_fitted", title, meaning, summary)

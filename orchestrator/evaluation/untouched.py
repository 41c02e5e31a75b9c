"""The score of rows that nothing was fitted on. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import score
from orchestrator.core.text import counted
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.estimate import Estimate, no_estimate

MEANING = (
    "nothing was trained, chosen or fitted on them, so nothing needs correcting: the score of new rows like "
    "these, as long as nobody chooses by it."
)


def untouched(
    labels: Labels,
    probabilities: Probabilities,
    groups: Sequence[object] | NDArray[np.generic],
    metric: str,
    rng: np.random.Generator,
    repeats: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """Of the finished ensemble's answers, with a percentile interval over resampled groups.

    labels (n,), probabilities (n, C), or both (n, L); groups (n,). Without rows, or where the metric is
    undefined on them, an estimate that says why; of one group, or where the metric is undefined on all
    resamples, a score without an interval.
    """
    title = f"Untouched rows {metric}"
    found = score(metric, labels, probabilities) if len(labels) else math.nan
    if not math.isfinite(found):
        none = "There are no rows with role test and labels."
        reason = f"{metric} is undefined on the rows with role test." if len(labels) else none
        return no_estimate("untouched", title, reason, level)
    rows = f"{counted(len(labels), 'row')} with role test and labels"
    try:
        made = group_bootstrap(labels, probabilities, groups, metric, rng, repeats, level)
    except EnsembleError as error:
        made = Estimate(found, math.nan, math.nan, level, "no interval", 1, meaning=f"{error}.")
    return made.described("untouched", title, f"{rows}: {MEANING}")

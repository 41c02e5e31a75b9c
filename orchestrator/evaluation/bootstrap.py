"""The percentile bootstrap over groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import score
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.resampled_scores import ResampledScores, affordable, defined


def group_bootstrap(
    labels: Labels,
    probabilities: Probabilities,
    groups: Sequence[object] | NDArray[np.generic],
    metric: str,
    rng: np.random.Generator,
    repeats: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """The score of all rows with a percentile interval over resampled groups.

    labels (n,), probabilities (n, C), or both (n, L); groups (n,). Macro-F1 of a resample is the mean over
    the classes that occur in its labels or predictions: a class that a resample misses altogether neither
    helps nor hurts it. Resamples on which the metric is undefined are left out, and the estimate's meaning
    says how many. Raises EnsembleError for fewer than two groups.
    """
    codes, count = group_codes(groups)
    weights = draw_bags(count, affordable(repeats, metric), rng)
    scores, note = defined(ResampledScores(labels, probabilities, codes, count, metric)(weights), metric)
    low, high = percentile_interval(scores, level)
    naive = score(metric, labels, probabilities)
    return Estimate(naive, low, high, level, f"group bootstrap, {len(scores)} repeats", count, meaning=note)


def group_codes(groups: Sequence[object] | NDArray[np.generic]) -> tuple[NDArray[np.int64], int]:
    """(n,) each row's group as a number, and how many groups. Raises EnsembleError for fewer than two."""
    # As text: numbers and text together have no order.
    names, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if len(names) < 2:
        raise EnsembleError(f"an interval over groups needs at least 2 of them; there is {len(names)}")
    return codes.ravel().astype(np.int64), len(names)


def draw_bags(count: int, repeats: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(repeats, count): how often each group was drawn."""
    return rng.multinomial(count, np.full(count, 1 / count), size=repeats).astype(np.float32)


def percentile_interval(scores: Floats, level: float) -> tuple[float, float]:
    """The ends between which the middle `level` of the scores (repeats,) lie."""
    tail = (1 - level) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return float(low), float(high)

"""A score in which rows have weights: how it would be where such rows are more frequent. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import is_own
from orchestrator.evaluation.bootstrap import draw_bags, group_codes, percentile_interval
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.resampled_scores import ResampledScores, defined

BLOCK = 1 << 22  # rows x resamples whose weights are held at once: 32 MB


def weighted_score(
    labels: Labels,
    probabilities: Probabilities,
    weights: Floats,
    groups: Sequence[object] | NDArray[np.generic],
    metric: str,
    rng: np.random.Generator,
    repeats: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """The score of all rows under `weights` (n,), with a percentile interval over resampled groups.

    labels (n,), probabilities (n, C), or both (n, L); groups (n,). The weights are taken as they are: that
    they were estimated is not in the interval. Raises EnsembleError for fewer than two groups, and for a
    metric of the user's own, which takes rows whole.
    """
    if is_own(metric):
        raise EnsembleError(f"metric={metric} is a function of whole rows and cannot weigh them")
    codes, count = group_codes(groups)
    every_row = ResampledScores(labels, probabilities, np.arange(len(labels)), len(labels), metric)
    bags = draw_bags(count, repeats, rng)
    step = max(1, BLOCK // max(len(labels), 1))
    parts = [every_row(bags[start : start + step][:, codes] * weights) for start in range(0, repeats, step)]
    scores, note = defined(np.concatenate(parts), metric)
    low, high = percentile_interval(scores, level)
    plain = float(every_row(weights[None].astype(np.float32))[0])
    return Estimate(
        plain, low, high, level, f"weighted group bootstrap, {len(scores)} repeats", count, meaning=note
    )

"""Every epoch that a study keeps, scored by another metric than the one it was run by."""

from __future__ import annotations

import numpy as np
import pandas as pd

from orchestrator.core.metrics import check_applies, check_metric, score
from orchestrator.core.task import Task
from orchestrator.data.targets import Target, factors_of
from orchestrator.study.epoch_predictions import EpochPredictions


def rescored(kept: EpochPredictions, target: Target, metric: str, mode: str = "") -> pd.DataFrame:
    """A row per epoch that is kept: trial, fold, epoch, score, best_score (so far).

    mode: of a metric of the user's own. Raises SearchSpaceError for a metric that is unknown or does not suit
    the target, MetricError for what an own one does.
    """
    mode = check_metric(metric, mode)
    factors = factors_of(target)
    is_ordered = len(factors) == 1 and factors[0].ordered
    check_applies(metric, Task(tuple(target.classes), kept.labels.ndim == 2, is_ordered))
    rows = [(*key, _score(kept, key[1], metric, found)) for key, found in kept]
    frame = pd.DataFrame(rows, columns=["trial", "fold", "epoch", "score"])
    runs = frame.groupby(["trial", "fold"])["score"]
    frame["best_score"] = runs.transform(np.fmax.accumulate if mode == "max" else np.fmin.accumulate)
    return frame


def _score(kept: EpochPredictions, fold: int, metric: str, probabilities: np.ndarray) -> float:
    rows = kept.rows(fold)
    judged = kept.scored[rows]
    return score(metric, kept.labels[rows][judged], probabilities[judged])

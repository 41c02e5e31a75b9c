"""Scores of predictions: pure functions of arrays, each one definition for rows, weights and resamples."""

from orchestrator.core.metrics.checks import applicable, check_applies, check_folds, check_metric
from orchestrator.core.metrics.contract import Metric
from orchestrator.core.metrics.own import is_own, load_own
from orchestrator.core.metrics.scoring import epoch_scores, log_loss, macro_f1, score, scores
from orchestrator.core.metrics.table import METRICS, find

__all__ = [
    "METRICS",
    "Metric",
    "applicable",
    "check_applies",
    "check_folds",
    "check_metric",
    "epoch_scores",
    "find",
    "is_own",
    "load_own",
    "log_loss",
    "macro_f1",
    "score",
    "scores",
]

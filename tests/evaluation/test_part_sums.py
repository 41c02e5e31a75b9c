"""Scores of unions of parts are those of the rows themselves, for every metric."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.metrics import METRICS, find, score
from orchestrator.evaluation.part_sums import Parts, judge_of
from tests.evaluation.pools import drawn_labels_pool, drawn_pool

OF_LABELS = (
    "macro_f1",
    "micro_f1",
    "accuracy",
    "balanced_accuracy",
    "mcc",
    "log_loss",
    "brier",
    "ece",
    "roc_auc",
)


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "binary_f1"])
def test_a_union_of_folds_has_the_score_of_its_rows(metric: str) -> None:
    pool = drawn_pool(0, [1.0], classes=6, metric=metric)
    weights = np.random.default_rng(1).integers(0, 3, len(pool.labels)).astype(float)
    check(metric, pool.labels, pool.members[0], pool.folds, weights)


@pytest.mark.parametrize("metric", OF_LABELS)
def test_several_labels_have_the_score_of_their_rows(metric: str) -> None:
    pool = drawn_labels_pool(0, [1.0], metric=metric)
    weights = np.random.default_rng(1).integers(0, 3, len(pool.labels)).astype(float)
    check(metric, pool.labels, pool.members[0], pool.folds, weights)


def check(metric: str, labels, probabilities, folds, weights) -> None:  # type: ignore[no-untyped-def]
    judge, parts = judge_of(metric, labels, probabilities.shape[1]), Parts.by(folds, weights)
    chosen = np.vstack([np.ones(5), 1 - np.eye(5)])
    found = judge.scores(judge.digest(probabilities), parts, chosen)
    for left, value in zip([None, *range(5)], found, strict=True):
        rows = np.repeat(np.arange(len(labels)), np.where(folds == left, 0, weights).astype(int))
        assert value == pytest.approx(score(metric, labels[rows], probabilities[rows]), abs=1e-6)


def test_a_metric_of_ones_own_is_asked_once_for_each_union(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = "tests.evaluation.test_part_sums:share_of_the_first"
    pool = drawn_pool(0, [1.0])
    judge = judge_of(metric, pool.labels, 3)
    parts = Parts.by(pool.folds, np.ones(len(pool.labels)))
    found = judge.scores(judge.digest(pool.members[0]), parts, np.eye(5))
    assert found == pytest.approx([pool.members[0][pool.folds == fold, 0].mean() for fold in range(5)])
    assert find(metric).mode == ""


def share_of_the_first(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float(probabilities[:, 0].mean())

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import score
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.weighted_score import weighted_score


def answers(n: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, n)
    probabilities = rng.dirichlet(np.ones(3), n).astype(np.float32) + 0.4 * np.eye(3)[labels]
    return (
        labels,
        (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32),
        np.arange(n) // 3,
    )


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "log_loss", "roc_auc", "average_precision"])
def test_whole_weights_are_repeated_rows(metric: str) -> None:
    labels, probabilities, groups = answers()
    times = np.random.default_rng(1).integers(0, 4, len(labels))
    again = np.repeat(np.arange(len(labels)), times)
    found = weighted_score(
        labels, probabilities, times.astype(float), groups, metric, np.random.default_rng(2)
    )
    assert found.score == pytest.approx(score(metric, labels[again], probabilities[again]), abs=1e-6)
    assert found.low < found.score < found.high


def test_equal_weights_give_the_plain_bootstrap() -> None:
    labels, probabilities, groups = answers()
    ones = np.ones(len(labels))
    plain = group_bootstrap(labels, probabilities, groups, "macro_f1", np.random.default_rng(3))
    found = weighted_score(labels, probabilities, ones, groups, "macro_f1", np.random.default_rng(3))
    assert (found.score, found.low, found.high) == pytest.approx((plain.score, plain.low, plain.high))
    assert found.n_groups == 30


def test_a_metric_of_ones_own_is_refused() -> None:
    labels, probabilities, groups = answers()
    with pytest.raises(EnsembleError, match="cannot weigh"):
        weighted_score(labels, probabilities, np.ones(90), groups, "mine:f", np.random.default_rng(0))

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from orchestrator.core import metrics
from orchestrator.core.errors import SearchSpaceError


@pytest.mark.parametrize("seed", range(20))
def test_macro_f1_accuracy_and_confusion_agree_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 7))
    labels, predicted = rng.integers(0, classes, (2, int(rng.integers(1, 40))))
    assert metrics.macro_f1(labels, predicted, classes) == pytest.approx(
        f1_score(labels, predicted, average="macro")
    )
    assert metrics.accuracy(labels, predicted, classes) == pytest.approx(accuracy_score(labels, predicted))
    assert (
        metrics.confusion_matrix(labels, predicted, classes)
        == confusion_matrix(labels, predicted, labels=range(classes))
    ).all()


def test_a_class_in_neither_labels_nor_predictions_does_not_lower_macro_f1() -> None:
    labels = np.array([0, 1, 0, 1])
    assert metrics.macro_f1(labels, labels, 5) == 1.0
    assert metrics.macro_f1(labels, np.array([0, 1, 0, 4]), 5) < 1.0


def test_the_score_takes_the_most_probable_class() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert metrics.score("accuracy", np.array([0, 1, 1]), probabilities) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("metric", "mode"), [("f1", "max"), ("macro_f1", "best")])
def test_an_unknown_metric_or_mode_is_refused_by_name(metric: str, mode: str) -> None:
    with pytest.raises(SearchSpaceError, match=r"'f1'|'best'"):
        metrics.check_metric(metric, mode)


def test_a_misspelt_metric_gets_a_suggestion() -> None:
    with pytest.raises(SearchSpaceError, match=r"use one of accuracy, macro_f1; did you mean macro_f1\?"):
        metrics.check_metric("makro_f1", "")


def test_the_mode_is_the_metrics_own_and_a_contradiction_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    error_rate = metrics.Metric(
        lambda counts: 1 - metrics.accuracy_of_counts(counts), "min", "share of errors"
    )
    monkeypatch.setitem(metrics.METRICS, "error_rate", error_rate)
    assert metrics.check_metric("accuracy", "") == metrics.check_metric("accuracy", "max") == "max"
    assert metrics.check_metric("error_rate", "") == metrics.check_metric("error_rate", "min") == "min"
    with pytest.raises(SearchSpaceError, match=r"metric='accuracy', mode='min': .*larger .* leave mode out"):
        metrics.check_metric("accuracy", "min")
    with pytest.raises(
        SearchSpaceError, match=r"metric='error_rate', mode='max': .*smaller .* leave mode out"
    ):
        metrics.check_metric("error_rate", "max")


@pytest.mark.parametrize("metric", sorted(metrics.METRICS))
def test_every_metric_has_its_form_over_counts(metric: str) -> None:
    counts = np.random.default_rng(0).integers(0, 3, (5, 2, 4, 4))
    counts[1, 0] = 0
    of_counts = metrics.METRICS[metric].of_counts
    alone = [[float(of_counts(one)) for one in row] for row in counts]
    assert np.array_equal(of_counts(counts), alone) and alone[1][0] == 0.0

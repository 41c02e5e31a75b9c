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

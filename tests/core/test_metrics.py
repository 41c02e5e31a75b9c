"""Names, modes and refusals of metrics; their values are in test_metric_values.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.core import metrics
from orchestrator.core.errors import FoldPlanError, MetricError, NonFiniteError, SearchSpaceError
from orchestrator.core.task import Task

TWO, FIVE = Task(("no", "yes")), Task(tuple("abcde"))
GRADES, LABELS = Task(tuple("01234"), ordered=True), Task(tuple("abcde"), multi_label=True)


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


@pytest.mark.parametrize(
    ("written", "meant"),
    [("makro_f1", "macro_f1"), ("qwk", "quadratic_weighted_kappa"), ("AUC", "roc_auc"), ("f1", "macro_f1")],
)
def test_a_misspelt_metric_and_one_by_another_name_get_a_suggestion(written: str, meant: str) -> None:
    listed = ", ".join(metrics.METRICS)
    with pytest.raises(SearchSpaceError) as caught:
        metrics.check_metric(written, "")
    assert str(caught.value) == (
        f"metric={written!r} is not known; use one of {listed}, or module:function for your own; "
        f"did you mean {meant}?"
    )


def test_the_mode_is_the_metrics_own_and_a_contradiction_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    error_rate = replace(
        metrics.METRICS["accuracy"], of=lambda counts: 1 - counts.right / counts.rows, mode="min"
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


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("top_k_accuracy@0", "must name a whole number from 1 on after an @, such as top_k_accuracy@3"),
        ("top_k_accuracy@inf", "must name a whole number from 1 on after an @"),
        ("top_k_accuracy@2.5", "must name a whole number from 1 on after an @"),
        ("partial_auc@1", "must name a sensitivity in [0, 1) after an @, such as partial_auc@0.8"),
        ("partial_auc", "must name a sensitivity in [0, 1) after an @"),
        ("partial_auc@high", "must name a sensitivity in [0, 1) after an @"),
    ],
)
def test_a_number_after_an_at_sign_is_checked(metric: str, message: str) -> None:
    with pytest.raises(SearchSpaceError) as caught:
        metrics.check_metric(metric, "")
    assert f"metric={metric!r} {message}" in str(caught.value)
    assert (
        metrics.check_metric("top_k_accuracy@2", "") == metrics.check_metric("partial_auc@0.95", "") == "max"
    )


ALWAYS = ["macro_f1", "weighted_f1", "micro_f1", "accuracy", "balanced_accuracy", "mcc", "roc_auc",
          "average_precision", "log_loss", "brier", "ece"]  # fmt: skip


@pytest.mark.parametrize(
    ("task", "more"),
    [
        (TWO, ["binary_f1", "partial_auc@0.8"]),
        (FIVE, ["top_k_accuracy@3"]),
        (GRADES, ["top_k_accuracy@3", "quadratic_weighted_kappa"]),
        (LABELS, ["partial_auc@0.8"]),
    ],
)
def test_each_kind_of_target_has_its_metrics(task: Task, more: list[str]) -> None:
    assert set(metrics.applicable(task)) == {*ALWAYS, *more}
    for name in metrics.METRICS:
        if name in (*ALWAYS, *more):
            metrics.check_applies(name, task)
            continue
        with pytest.raises(SearchSpaceError, match=f"metric='{name}' does not suit this target: it .*; "):
            metrics.check_applies(name, task)


def test_kappa_says_how_to_have_ordered_classes() -> None:
    with pytest.raises(SearchSpaceError) as caught:
        metrics.check_applies("quadratic_weighted_kappa", FIVE)
    assert str(caught.value) == (
        "metric='quadratic_weighted_kappa' does not suit this target: it needs ordered classes; "
        "say ordered=True in the target if they are"
    )


# ---- folds ----------------------------------------------------------------------------------------


def folds(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int16)


NEEDS_TWO = [name for name, metric in metrics.METRICS.items() if metric.two_classes]


@pytest.mark.parametrize("metric", NEEDS_TWO)
def test_a_fold_of_one_class_is_refused_where_the_metric_needs_two(metric: str) -> None:
    labels = np.array([0, 1, 1, 1, 0, 0])
    metrics.check_folds(metric, labels, folds(0, 0, 1, 1, 1, -1), TWO)
    with pytest.raises(FoldPlanError) as caught:
        metrics.check_folds(metric, labels, folds(0, 0, 1, 1, 0, -1), TWO)
    assert str(caught.value) == (
        f"fold 1 has only rows of class 'yes', and metric={metric!r} needs two; use fewer folds, "
        "other groups, or a metric that one class has too, such as log_loss"
    )
    metrics.check_folds("log_loss", labels, folds(0, 0, 1, 1, 0, -1), TWO)


def test_of_several_labels_one_that_differs_within_the_fold_is_enough() -> None:
    labels = np.array([[0, 1], [0, 0], [1, 1], [1, 1]])
    task = Task(("a", "b"), multi_label=True)
    metrics.check_folds("roc_auc", labels, folds(0, 0, 0, 0), task)
    with pytest.raises(
        FoldPlanError, match="fold 1 has only rows with the same labels, and metric='roc_auc'"
    ):
        metrics.check_folds("roc_auc", labels, folds(0, 0, 1, 1), task)


# ---- one's own function -----------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch: pytest.MonkeyPatch):
    def write(body: str, name: str = "score") -> str:
        module = f"own_metrics_{abs(hash((str(tmp_path), body)))}"
        (tmp_path / f"{module}.py").write_text(
            f"import numpy as np\ndef {name}(labels, probabilities):\n    {body}\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        return f"{module}:score"

    return write


LABELS_OF_4 = np.array([0, 1, 1, 0])
OF_4 = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], np.float32)


def test_an_own_metric_must_say_which_values_are_better() -> None:
    assert metrics.check_metric("my_metrics:score", "min") == "min"
    with pytest.raises(SearchSpaceError, match=r"is your own, so say which .*mode='max' .*mode='min'"):
        metrics.check_metric("my_metrics:score", "")
    with pytest.raises(SearchSpaceError, match=r"metric='my metrics:score' must read module:function"):
        metrics.check_metric("my metrics:score", "max")


def test_an_own_metric_is_scored_as_any_other_and_noted_with_the_others(own) -> None:
    name = own("return (labels == probabilities.argmax(axis=1)).mean()")
    assert metrics.score(name, LABELS_OF_4, OF_4) == 0.75
    found = metrics.epoch_scores(name, LABELS_OF_4, OF_4, TWO)
    assert found[name] == found["accuracy"] == 0.75 and next(iter(found)) == name
    assert set(found) == {name, *metrics.applicable(TWO)}


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("return 'good'", MetricError, "returned 'good', of type str; return one number, a float"),
        ("return None", MetricError, "returned None, of type NoneType; return one number"),
        ("return labels == 0", MetricError, r"returned array\(.*, of type ndarray; return one number"),
        ("return True", MetricError, "returned True, of type bool; return one number"),
        ("return float('nan')", NonFiniteError, "returned nan; it must be finite"),
        ("return -np.inf", NonFiniteError, "returned -inf; it must be finite"),
        ("return labels[9]", MetricError, "raised IndexError: index 9 is out of bounds"),
    ],
)
def test_what_an_own_metric_gives_is_refused_by_name_value_and_place(
    own,
    body: str,
    error: type[Exception],
    message: str,
) -> None:
    name = own(body)
    with pytest.raises(error, match=rf"^metric {name} of labels \(4,\) and probabilities \(4, 2\) {message}"):
        metrics.score(name, LABELS_OF_4, OF_4)
    with pytest.raises(MetricError, match=rf"{message}.* \(tried on the labels of fold 3 with drawn"):
        metrics.check_folds(name, LABELS_OF_4, folds(3, 3, 3, 3), TWO)


def test_an_own_metric_that_is_not_there_is_refused_with_where_it_must_lie(own) -> None:
    name = own("return 1.0", name="other")
    with pytest.raises(MetricError, match=rf"metric='{name}' cannot be imported: AttributeError: .*beside"):
        metrics.score(name, LABELS_OF_4, OF_4)
    with pytest.raises(MetricError, match="'no_such_module_here:f' cannot be imported: ModuleNotFoundError"):
        metrics.score("no_such_module_here:f", LABELS_OF_4, OF_4)


def test_an_epoch_leaves_out_what_is_undefined_on_its_rows() -> None:
    found = metrics.epoch_scores("accuracy", np.ones(4, np.int64), OF_4, TWO)
    assert "roc_auc" not in found and "log_loss" in found
    assert np.isnan(metrics.epoch_scores("roc_auc", np.ones(4, np.int64), OF_4, TWO)["roc_auc"])

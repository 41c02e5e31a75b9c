"""Every metric by its name. A new one is a function of what is summed and a line here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from orchestrator.core.errors import MetricError
from orchestrator.core.metrics import class_counts as of_classes
from orchestrator.core.metrics import ranks as of_ranks
from orchestrator.core.metrics import row_sums as of_rows
from orchestrator.core.metrics.class_counts import class_counts
from orchestrator.core.metrics.contract import Metric
from orchestrator.core.metrics.own import is_own, own_metric
from orchestrator.core.metrics.ranks import ranks
from orchestrator.core.metrics.row_sums import row_sums
from orchestrator.core.task import Task
from orchestrator.core.text import suggestion


def _two_classes_alone(task: Task) -> str:
    if task.multi_label:
        return "it is of two classes, and a row may have several labels here; use macro_f1"
    return "" if len(task.classes) == 2 else f"it is of two classes, not {len(task.classes)}; use macro_f1"


def _two_classes_or_labels(task: Task) -> str:
    if task.multi_label or len(task.classes) == 2:
        return ""
    return f"it is of two classes or of labels, not of {len(task.classes)} classes; use roc_auc"


def _ordered_classes(task: Task) -> str:
    if task.multi_label:
        return "it needs ordered classes, and a row may have several labels here; use macro_f1"
    return "" if task.ordered else "it needs ordered classes; say ordered=True in the target if they are"


def _more_classes_than(k: int) -> Callable[[Task], str]:
    def refusal(task: Task) -> str:
        if task.multi_label:
            return "it is of one class a row, and a row may have several labels here; use average_precision"
        classes = len(task.classes)
        return (
            "" if classes > k else f"it is always 1 with {classes} classes; use accuracy or a smaller number"
        )

    return refusal


def _top_k_accuracy(k: float) -> Metric[Any]:
    meaning = f"share of rows whose true class is among the {k:.0f} most probable"
    return Metric(
        row_sums(of_rows.hits_of_top(int(k))), of_rows.mean, "max", "probabilities", meaning,
        "sklearn.metrics.top_k_accuracy_score", _more_classes_than(int(k)),
    )  # fmt: skip


def _partial_auc(sensitivity: float) -> Metric[Any]:
    meaning = f"area under the ROC curve above a sensitivity of {sensitivity:g}, at most {1 - sensitivity:g}"
    return Metric(
        ranks, of_ranks.partial_auc(sensitivity), "max", "probabilities", meaning,
        "ISIC 2024 challenge", _two_classes_or_labels, two_classes=True, bounds=(0.0, 1 - sensitivity),
    )  # fmt: skip


FAMILIES: dict[str, tuple[Callable[[float], Metric[Any]], Callable[[float], bool], str]] = {
    "top_k_accuracy": (_top_k_accuracy, lambda k: k >= 1 and k.is_integer(), "a whole number from 1 on"),
    "partial_auc": (_partial_auc, lambda value: 0 <= value < 1, "a sensitivity in [0, 1)"),
}
"""Name before the @ -> what makes it of the number after it, which numbers it takes, and that in words."""

_F1 = "sklearn.metrics.f1_score"

METRICS: dict[str, Metric[Any]] = {
    "macro_f1": Metric(
        class_counts, of_classes.macro_f1, "max", "labels", "mean F1 of the classes",
        f"{_F1}(average='macro')",
    ),
    "weighted_f1": Metric(
        class_counts, of_classes.weighted_f1, "max", "labels", "mean F1, each class weighing as its rows",
        f"{_F1}(average='weighted')",
    ),
    "micro_f1": Metric(
        class_counts, of_classes.micro_f1, "max", "labels", "F1 of all decisions together",
        f"{_F1}(average='micro')",
    ),
    "binary_f1": Metric(
        class_counts, of_classes.binary_f1, "max", "labels", "F1 of the second of two classes", _F1,
        _two_classes_alone,
    ),
    "accuracy": Metric(
        class_counts, of_classes.accuracy, "max", "labels",
        "share of rows whose predicted class is the true one", "sklearn.metrics.accuracy_score",
    ),
    "balanced_accuracy": Metric(
        class_counts, of_classes.balanced_accuracy, "max", "labels", "mean recall of the classes",
        "sklearn.metrics.balanced_accuracy_score",
    ),
    "mcc": Metric(
        class_counts, of_classes.mcc, "max", "labels", "Matthews correlation of labels and predictions",
        "sklearn.metrics.matthews_corrcoef", bounds=(-1.0, 1.0),
    ),
    "quadratic_weighted_kappa": Metric(
        class_counts, of_classes.quadratic_weighted_kappa, "max", "labels",
        "agreement beyond chance, an error weighing as its squared distance",
        "sklearn.metrics.cohen_kappa_score(weights='quadratic')", _ordered_classes, two_classes=True,
        bounds=(-1.0, 1.0),
    ),
    "roc_auc": Metric(
        ranks, of_ranks.roc_auc, "max", "probabilities",
        "how often a random positive row is ranked above a random negative one",
        "sklearn.metrics.roc_auc_score", two_classes=True,
    ),
    "average_precision": Metric(
        ranks, of_ranks.average_precision, "max", "probabilities", "mean precision at the positive rows",
        "sklearn.metrics.average_precision_score", two_classes=True,
    ),
    "partial_auc@0.8": _partial_auc(0.8),
    "log_loss": Metric(
        row_sums(of_rows.log_losses), of_rows.mean, "min", "probabilities",
        "mean -log of the true class's probability", "sklearn.metrics.log_loss",
        bounds=(0.0, math.inf),
    ),
    "brier": Metric(
        row_sums(of_rows.brier_losses), of_rows.mean, "min", "probabilities",
        "mean squared error of the probabilities", "sklearn.metrics.brier_score_loss", bounds=(0.0, 2.0),
    ),
    "ece": Metric(
        of_rows.calibration_errors, of_rows.mean_of_absolutes, "min", "probabilities",
        f"expected calibration error, {of_rows.BINS} bins",
        "Guo, Pleiss, Sun, Weinberger, ICML 2017, On calibration of modern neural networks",
    ),
    "top_k_accuracy@3": _top_k_accuracy(3),
    "top_k_accuracy@5": _top_k_accuracy(5),
}  # fmt: skip
"""Noted of every epoch wherever they apply. Other numbers after an @ are made when they are asked for."""

OTHER_NAMES = {
    "acc": "accuracy",
    "ap": "average_precision",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "brier_score": "brier",
    "cohen_kappa": "quadratic_weighted_kappa",
    "cross_entropy": "log_loss",
    "f1": "macro_f1",
    "kappa": "quadratic_weighted_kappa",
    "logloss": "log_loss",
    "map": "average_precision",
    "matthews_corrcoef": "mcc",
    "pauc": "partial_auc@0.8",
    "qwk": "quadratic_weighted_kappa",
    "rocauc": "roc_auc",
    "top_3_accuracy": "top_k_accuracy@3",
    "top_5_accuracy": "top_k_accuracy@5",
}
"""What others call them, for a refusal that names ours."""


def find(name: str) -> Metric[Any]:
    """The metric of that name. Raises MetricError where it is not known."""
    if name in METRICS:
        return METRICS[name]
    if is_own(name):
        return own_metric(name)
    base, _, number = name.partition("@")
    if base in FAMILIES:
        return _of_family(name, base, number)
    known = list(METRICS)
    meant = OTHER_NAMES.get(name.lower())
    hint = f"; did you mean {meant}?" if meant else suggestion(name, known)
    raise MetricError(
        f"metric={name!r} is not known; use one of {', '.join(known)}, or module:function for your own{hint}"
    )


def _of_family(name: str, base: str, number: str) -> Metric[Any]:
    make, is_allowed, words = FAMILIES[base]
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not is_allowed(value):
        example = next(known for known in METRICS if known.startswith(f"{base}@"))
        raise MetricError(f"metric={name!r} must name {words} after an @, such as {example}")
    return make(value)

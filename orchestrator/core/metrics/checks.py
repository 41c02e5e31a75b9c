"""Whether a metric can judge: known by name, suited to what is predicted, defined on every fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import FoldPlanError, MetricError, SearchSpaceError
from orchestrator.core.metrics.own import call, is_own
from orchestrator.core.metrics.table import METRICS, find
from orchestrator.core.task import Task


def check_metric(metric: str, mode: str) -> str:
    """The metric's own mode; of a user's own function the mode given.

    Raises SearchSpaceError for an unknown metric, and for a mode that contradicts it or is missing.
    """
    try:
        own = find(metric).mode
    except MetricError as error:
        raise SearchSpaceError(str(error)) from None
    if mode not in ("", "max", "min"):
        raise SearchSpaceError(f"mode={mode!r} is not known; use 'max' or 'min', or leave mode out")
    if is_own(metric):
        return _mode_of_own(metric, mode)
    if mode not in ("", own):
        better = "larger" if own == "max" else "smaller"
        raise SearchSpaceError(
            f"metric={metric!r}, mode={mode!r}: {better} values of {metric} are better, so the worst trials "
            "would be chosen; leave mode out"
        )
    return own


def _mode_of_own(metric: str, mode: str) -> str:
    module, _, function = metric.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), function)):
        raise SearchSpaceError(f"metric={metric!r} must read module:function, such as my_metrics:score")
    if not mode:
        raise SearchSpaceError(
            f"metric={metric!r} is your own, so say which of its values are better: mode='max' for larger "
            "ones, mode='min' for smaller ones"
        )
    return mode


def check_applies(metric: str, task: Task) -> None:
    """Raises SearchSpaceError where the metric cannot judge what is predicted, with the reason."""
    if reason := find(metric).refusal(task):
        raise SearchSpaceError(f"metric={metric!r} does not suit this target: {reason}")


def applicable(task: Task) -> tuple[str, ...]:
    """Names of METRICS that can judge what is predicted, in their order."""
    return tuple(name for name, metric in METRICS.items() if not metric.refusal(task))


def check_folds(metric: str, labels: Labels, folds: NDArray[np.int16], task: Task) -> None:
    """That every fold can be judged. labels (n,) or (n, L); folds (n,), negative ones are not judged.

    A user's own function is tried on each fold's labels with drawn probabilities. Raises FoldPlanError for a
    fold whose rows are all of one class where the metric needs two, MetricError for what the function does.
    """
    needs_two = find(metric).two_classes
    for fold in np.unique(folds[folds >= 0]).tolist():
        own = labels[folds == fold]
        if needs_two and _is_of_one_class(own):
            raise FoldPlanError(
                f"fold {fold} has only {_seen(own, task)}, and metric={metric!r} needs two; use fewer folds, "
                "other groups, or a metric that one class has too, such as log_loss"
            )
        if is_own(metric):
            _try_out(metric, own, fold, task)


def _is_of_one_class(labels: Labels) -> bool:
    """Of several labels: whether none of them has rows with it and rows without it."""
    return not bool((labels != labels[:1]).any())


def _seen(labels: Labels, task: Task) -> str:
    if labels.ndim == 2:
        return "rows with the same labels"
    return f"rows of class {task.classes[int(labels[0])]!r}"


def _try_out(metric: str, labels: Labels, fold: int, task: Task) -> None:
    """Before anything is trained: a function that always fails would fail every trial alike."""
    drawn = np.random.default_rng(0).random((len(labels), len(task.classes)))
    probabilities = drawn if task.multi_label else drawn / drawn.sum(axis=1, keepdims=True)
    try:
        call(metric, labels.copy(), probabilities.astype(np.float32))
    except Exception as error:  # MetricError or NonFiniteError
        raise MetricError(f"{error} (tried on the labels of fold {fold} with drawn probabilities)") from error

"""What a dataset says of what is predicted."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset, Factor
from orchestrator.core.task import Task


def dataset(labels: object, *factors: Factor) -> Dataset:
    folds = np.zeros(2, np.int16)
    return Dataset("", ("x", "y"), np.asarray(labels), folds, ("a", "b"), "macro_f1", "max", "", "", factors)


@pytest.mark.parametrize(
    ("labels", "factors", "task"),
    [
        ([0, 1], (), Task(("a", "b"))),
        ([0, 1], (Factor("f", ("a", "b"), "f"),), Task(("a", "b"))),
        ([0, 1], (Factor("f", ("a", "b"), "f", edges=(3.0,)),), Task(("a", "b"), ordered=True)),
        ([0, 1], (Factor("f", ("a", "b"), "f", ordered=True),), Task(("a", "b"), ordered=True)),
        ([0, 1], (Factor("f", ("a",), "f", ordered=True), Factor("g", ("b",), "g")), Task(("a", "b"))),
        ([[0, 1], [1, 1]], (), Task(("a", "b"), multi_label=True)),
    ],
)
def test_the_task_follows_from_the_labels_and_their_factors(
    labels: object, factors: tuple[Factor, ...], task: Task
) -> None:
    assert dataset(labels, *factors).task == task

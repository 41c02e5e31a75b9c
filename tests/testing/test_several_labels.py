"""Trainables of one's own on rows that have several labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import NonFiniteError, OrchestratorError, TrainableError
from orchestrator.core.fold_data import FoldData, Rows, fold_data
from orchestrator.core.own_trainable import Epoch, trainable
from orchestrator.core.probabilities import any_fault, label_fault
from orchestrator.core.trainable import Resources
from orchestrator.testing import ToyTrainable, check_trainable, toy_dataset

EVEN = np.full((4, 3), 0.5)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return toy_dataset(tmp_path_factory.mktemp("toy"), multi_label=True)


@trainable(value=0.5)
def constant(data: FoldData, config: dict[str, Any]) -> Iterator[Epoch]:
    for _ in range(data.max_epochs):
        answer = np.full((len(data.validation), data.labels.shape[1]), config["value"])
        yield Epoch(answer, weights={"labels": data.labels.shape[1]})


@constant.predictor
def answer(weights: Mapping[str, np.ndarray], rows: Rows, config: dict[str, Any]) -> np.ndarray:
    return np.full((len(rows), int(weights["labels"])), config["value"])


@trainable()
def softmax(data: FoldData, config: dict[str, Any]) -> Iterator[np.ndarray]:
    yield np.full((len(data.validation), 2), 1.5)


def test_a_fold_run_sees_labels_by_row_and_none_of_their_columns(dataset: Dataset) -> None:
    data = fold_data(dataset, 0, 1, 0, Resources(cpus=1))
    assert data.multi_label and data.labels.shape == (len(data.training), 3)
    assert set(np.unique(data.labels)) == {0, 1}
    assert set(data.columns) == set(data.validation.columns) == {"size", "group"}


@pytest.mark.parametrize("whole", [ToyTrainable, constant])
def test_a_sound_trainable_of_several_labels_leaves_nothing_to_say(whole: Any, dataset: Dataset) -> None:
    assert check_trainable(whole, dataset=dataset) == []


def test_a_toy_learns_several_labels_and_predicts_them_anew(dataset: Dataset) -> None:
    run = ToyTrainable(dataset, 0, {}, 3, 0, Resources(cpus=1))
    first = run.run_epoch()["loss_val"]
    for _ in range(2):
        last = run.run_epoch()["loss_val"]
    assert last < first
    rows = dataset.validation_rows(0)
    paths = [str(Path(dataset.root) / dataset.paths[row]) for row in rows]
    predictor = ToyTrainable.load_predictor(run.weights(), {}, 3)
    assert np.allclose(predictor.predict(paths), run.probabilities(), atol=1e-6)
    assert not np.allclose(run.probabilities().sum(axis=1), 1, atol=0.01)


@pytest.mark.parametrize(
    ("cls", "config", "error", "words"),
    [
        (constant, {"value": 1.5}, TrainableError, r"18 of 18 rows .*outside 0 to 1 \(the first has 1.5\)"),
        (constant, {"value": float("nan")}, NonFiniteError, "not finite"),
        (softmax, {}, TrainableError, r"its shape is \(18, 2\) where \(18, 3\) was due"),
    ],
)
def test_a_wrong_prediction_of_labels_is_named(
    cls: Any, config: dict[str, Any], error: type[OrchestratorError], words: str, dataset: Dataset
) -> None:
    with pytest.raises(error, match=words):
        cls(dataset, 0, config, 1, 0, Resources(cpus=1)).run_epoch()


def test_labels_are_judged_one_by_one() -> None:
    assert label_fault(EVEN) == any_fault(EVEN, list("abcd"), 3, multi_label=True) == ""
    assert "sum" in any_fault(EVEN, list("abcd"), 3)
    wrong = EVEN.copy()
    wrong[2, 1] = -0.25
    assert label_fault(wrong, list("abcd")) == (
        "1 of 4 rows (2: c) is outside 0 to 1 (the first has -0.25); give each label a probability"
    )

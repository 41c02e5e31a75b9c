"""A prediction that cannot be one says what is wrong with it, the shape or the values, and in which rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.events import Leg, LegFailed
from orchestrator.core.probabilities import shape_fault, sum_fault, value_fault
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.storage import DirectoryStore
from orchestrator.testing import toy_dataset
from tests.pixel_trainable import PixelTrainable


class Short(PixelTrainable):
    def probabilities(self) -> np.ndarray:
        return super().probabilities()[:-1]


class Holed(PixelTrainable):
    def probabilities(self) -> np.ndarray:
        found = super().probabilities().copy()
        found[[2, 5]] = np.inf
        return found


def outcome(cls: type[PixelTrainable], folder: Path) -> LegFailed:
    store = DirectoryStore(folder / "store")
    worker = FoldRunWorker(toy_dataset(folder / "images"), f"{cls.__module__}:{cls.__name__}", store)
    worker.start(LegAssignment(Leg(0, 1, 0, 2), {"lr": 0.5}, 2, 0, None))
    found = worker.step()
    worker.release()
    assert isinstance(found, LegFailed) and store.names() == []
    return found


def test_a_wrong_shape_fails_the_fold_run_as_its_code_would(tmp_path: Path) -> None:
    failed = outcome(Short, tmp_path)
    assert failed.failure == "exception"
    assert failed.error == (
        "TrainableError: epoch 1: the prediction is wrong: its shape is (17, 3) where (18, 3) was due, "
        "a row an image and a column a class"
    )


def test_values_that_are_not_finite_are_named_by_their_rows(tmp_path: Path) -> None:
    failed = outcome(Holed, tmp_path)
    assert failed.failure == "nan"
    assert failed.error == (
        "NonFiniteError: epoch 1: the prediction is wrong: "
        "2 of 18 rows (2: row0008.png, 5: row0011.png) are not finite"
    )


EVEN = np.full((5, 2), 0.5)


@pytest.mark.parametrize(
    "rows, words",
    [
        ([], ""),
        ([1], "1 of 5 rows (1: b) sums not to 1 (the first to 3); divide each row by its sum"),
        ([0, 1, 2, 4], "4 of 5 rows (0: a, 1: b, 2: c and 1 more) sum not to 1 (the first to 3)"),
    ],
)
def test_rows_that_do_not_sum_to_1_are_counted_and_named(rows: list[int], words: str) -> None:
    found = EVEN.copy()
    found[rows] = 1.5
    fault = sum_fault(found, list("abcde"))
    assert fault.startswith(words) and bool(fault) == bool(rows)


def test_nothing_is_said_of_probabilities() -> None:
    assert shape_fault(EVEN, 5, 2) == value_fault(EVEN) == sum_fault(EVEN) == ""
    assert value_fault(np.where(EVEN == 0.5, np.nan, 0.0)).startswith(
        "5 of 5 rows (0, 1, 2 and 2 more) are not"
    )

"""Out-of-fold predictions of several labels: (n, L), each in [0, 1]."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from orchestrator.core.errors import StudyError
from orchestrator.study.predictions import (
    assemble,
    fold_from_bytes,
    fold_to_bytes,
    read_prediction,
    write_prediction,
)

LABELS = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
FOLDS = np.array([0, 1, -1, 0], np.int16)
NAMES = ("rust", "scab", "mould")


def probabilities(rows: int) -> np.ndarray:
    """Whose rows sum to anything."""
    return np.random.default_rng(rows).random((rows, 3)).astype(np.float32)


def test_a_fold_of_several_labels_comes_back_from_its_bytes() -> None:
    rows, given = np.array([5, 2, 9]), probabilities(3)
    found_rows, found = fold_from_bytes(fold_to_bytes(rows, given, multi_label=True))
    assert found_rows.tolist() == [5, 2, 9] and np.array_equal(found, given)


@pytest.mark.parametrize(
    ("value", "words"), [(1.5, "a label's probability is 1.5000, above 1"), (-0.1, "not negative")]
)
def test_what_is_no_probability_is_refused(value: float, words: str) -> None:
    given = probabilities(3)
    given[1, 2] = value
    with pytest.raises(StudyError, match=words):
        fold_to_bytes(np.arange(3), given, multi_label=True)


def test_probabilities_of_one_label_must_still_sum_to_one() -> None:
    with pytest.raises(StudyError, match="sum to"):
        fold_to_bytes(np.arange(3), probabilities(3))


def test_a_table_has_a_column_for_each_label_and_reads_back(tmp_path: Path) -> None:
    parts = {0: (np.array([3, 0]), probabilities(2)), 1: (np.array([1]), probabilities(1))}
    prediction, path = assemble(parts, LABELS, FOLDS), tmp_path / "oof.parquet"
    assert prediction.rows.tolist() == [0, 1, 3] and np.array_equal(prediction.labels, LABELS[[0, 1, 3]])
    write_prediction(path, prediction, list("abcd"), NAMES)
    columns = ["row", "path", "label_rust", "label_scab", "label_mould", "fold"]
    assert pq.read_table(path).column_names == [*columns, "p_rust", "p_scab", "p_mould"]
    found, classes = read_prediction(path)
    assert classes == NAMES and found.paths == ("a", "b", "d")
    assert np.array_equal(found.labels, prediction.labels) and found.labels.dtype == np.int64
    assert np.array_equal(found.probabilities, prediction.probabilities)
    assert found.frame()["label_scab"].tolist() == [1, 0, 1] and "label" not in found.frame()


def test_predictions_of_another_number_of_labels_are_refused() -> None:
    parts = {0: (np.array([0, 3]), probabilities(2)[:, :2]), 1: (np.array([1]), probabilities(1)[:, :2])}
    with pytest.raises(StudyError, match="have 2 labels and the rows 3"):
        assemble(parts, LABELS, FOLDS)

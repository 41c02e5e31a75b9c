"""Out-of-fold predictions: what goes in comes out, and nothing dishonest gets in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from orchestrator.core.errors import StorageError, StudyError
from orchestrator.study.predictions import (
    assemble,
    fold_from_bytes,
    fold_to_bytes,
    read_paths,
    read_prediction,
    write_prediction,
)

LABELS = np.array([0, 1, 1, 0, 2])
FOLDS = np.array([0, 1, -1, 0, 1], dtype=np.int16)
CLASSES = ("<30", "30-59", ">=60")


def probabilities(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).dirichlet(np.ones(3), size=rows).astype(np.float32)


def parts() -> dict[int, tuple[np.ndarray, np.ndarray]]:
    return {0: (np.array([3, 0]), probabilities(2)), 1: (np.array([1, 4]), probabilities(2))}


def test_a_fold_comes_back_from_its_bytes_bit_for_bit() -> None:
    rows, given = np.array([5, 2, 9]), probabilities(3)
    found_rows, found = fold_from_bytes(fold_to_bytes(rows, given))
    assert found_rows.tolist() == [5, 2, 9]
    assert found.dtype == np.float32
    assert np.array_equal(found, given)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no safetensors at all, " * 9,
        save({"rows": np.arange(2)}),
        save({"rows": np.arange(2.0), "probabilities": probabilities(2)}),
        save({"rows": np.arange(3), "probabilities": probabilities(2)}),
        save({"rows": np.arange(2), "probabilities": probabilities(2) * 2}),
        save({"rows": np.arange(2), "probabilities": np.full((2, 3), np.nan, np.float32)}),
    ],
    ids=["empty", "rubbish", "no probabilities", "rows are floats", "lengths differ", "sums to 2", "nan"],
)
def test_malformed_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(StudyError):
        fold_from_bytes(data)


def test_every_row_with_a_fold_gets_the_probabilities_of_that_fold_in_manifest_order() -> None:
    given = parts()
    found = assemble(given, LABELS, FOLDS)
    assert found.rows.tolist() == [0, 1, 3, 4]
    assert found.labels.tolist() == [0, 1, 0, 2]
    assert found.folds.tolist() == [0, 1, 0, 1]
    assert np.array_equal(found.probabilities[[2, 0]], given[0][1])
    assert np.array_equal(found.probabilities[[1, 3]], given[1][1])


@pytest.mark.parametrize(
    "rows, said",
    [
        ([3], "row 0 of fold 0"),
        ([3, 0, 0], "more than once"),
        ([3, 1], "row 1, which belongs to fold 1"),
        ([3, 2], "row 2, which belongs to fold -1"),
        ([3, 7], "row 7, but the manifest has 5"),
    ],
    ids=["missing", "doubled", "another fold", "always trained on", "unknown"],
)
def test_a_row_that_is_missing_doubled_or_foreign_is_refused(rows: list[int], said: str) -> None:
    given = {**parts(), 0: (np.array(rows), probabilities(len(rows)))}
    with pytest.raises(StudyError, match=said):
        assemble(given, LABELS, FOLDS)


def test_a_missing_fold_and_folds_that_disagree_on_classes_are_refused() -> None:
    with pytest.raises(StudyError, match="2 rows have no prediction"):
        assemble({0: parts()[0]}, LABELS, FOLDS)
    narrow = np.array([[0.5, 0.5], [0.5, 0.5]], dtype=np.float32)
    with pytest.raises(StudyError, match="must agree"):
        assemble({**parts(), 1: (np.array([1, 4]), narrow)}, LABELS, FOLDS)


def test_a_table_comes_back_as_written_with_its_classes_and_paths(tmp_path: Path) -> None:
    prediction, path = assemble(parts(), LABELS, FOLDS), tmp_path / "oof" / "t0003.parquet"
    write_prediction(path, prediction, ["a", "b", "c", "d", "e"], CLASSES)
    found, classes = read_prediction(path)
    assert classes == CLASSES
    for name in ("rows", "probabilities", "labels", "folds"):
        assert np.array_equal(getattr(found, name), getattr(prediction, name))
        assert getattr(found, name).dtype == getattr(prediction, name).dtype
    assert read_paths(path) == {"a", "b", "d", "e"}
    assert [item.name for item in path.parent.iterdir()] == ["t0003.parquet"]


def test_a_table_that_cannot_be_written_leaves_nothing_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "oof").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="oof"):
        write_prediction(
            tmp_path / "oof" / "t0.parquet", assemble(parts(), LABELS, FOLDS), list("abcde"), CLASSES
        )


@pytest.mark.parametrize("content", [None, b"rubbish"], ids=["missing", "not Parquet"])
def test_a_table_that_is_missing_or_no_parquet_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "t0001.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError, match=r"t0001\.parquet"):
        read_prediction(path)


def test_some_other_parquet_is_no_table_of_predictions(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(StudyError, match="no table of predictions"):
        read_prediction(tmp_path / "other.parquet")
    with pytest.raises(StudyError, match="no table of predictions"):
        read_paths(tmp_path / "other.parquet")

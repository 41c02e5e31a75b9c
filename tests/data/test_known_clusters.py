"""What a check found of files is known to who uses the same files, and of no others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from orchestrator.data.known_clusters import FOLDER, known_clusters, remember_clusters
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.table_files import read_parquet, write_parquet

NAMES = ["a", "b", "c", "d"]


def found(clusters: list[int], precision: float | None = 0.995) -> Duplicates:
    none, codes = np.zeros((0, 2), np.int64), np.array(clusters, np.int64)
    return Duplicates(np.arange(len(codes)), none, np.zeros(0, np.float32), codes, "a rule", precision)


def test_near_pairs_are_known_by_the_rows_that_are_there(tmp_path: Path, files: Path) -> None:
    """b and d have one set of pixels, of which c is a near duplicate, as is a."""
    pairs = np.array([[0, 1], [1, 2]])
    one = Duplicates(
        np.array([0, 1, 2, 1]), pairs, np.ones(2, np.float32), np.array([0, 0, 0, 0]), "a rule", None
    )
    remember_clusters(tmp_path, files, NAMES, one)
    known = known_clusters(tmp_path, files, ["d", "other", "c", "b"])
    assert known is not None and known.near_pairs.tolist() == [[0, 2]]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "set").mkdir()
    for name in NAMES:
        (tmp_path / "set" / name).write_bytes(name.encode())
    return tmp_path / "set"


def test_clusters_are_known_by_other_paths_to_the_same_files(tmp_path: Path, files: Path) -> None:
    remember_clusters(tmp_path, files, NAMES, found([0, 1, 0, 1]))
    known = known_clusters(tmp_path, files.parent, ["set/d", "set/c", "set/b", "other"])
    assert known is not None
    assert known.clusters.tolist() == [0, 1, 0, 2]
    assert known.exact.tolist() == [0, 1, 2, 3]
    assert (known.known, known.rule, known.precision) == (3, "a rule", 0.995)


def test_a_file_that_changed_is_not_known(tmp_path: Path, files: Path) -> None:
    remember_clusters(tmp_path, files, NAMES, found([0, 0, 0, 0], None))
    os.utime(files / "b", ns=(1, 1))
    known = known_clusters(tmp_path, files, NAMES)
    assert known is not None and known.precision is None
    assert known.clusters.tolist() == [0, 1, 0, 0]


def test_of_several_checks_the_one_that_saw_most_is_taken(tmp_path: Path, files: Path) -> None:
    remember_clusters(tmp_path, files, NAMES[:2], found([0, 0]))
    remember_clusters(tmp_path, files, NAMES, found([0, 1, 2, 2]))
    known = known_clusters(tmp_path, files, NAMES)
    assert known is not None and known.clusters.tolist() == [0, 1, 2, 2]


def test_a_new_check_of_the_same_files_takes_the_place_of_the_old(tmp_path: Path, files: Path) -> None:
    remember_clusters(tmp_path, files, NAMES, found([0, 0, 1, 2]))
    remember_clusters(tmp_path, files, NAMES, found([0, 1, 2, 3]))
    known = known_clusters(tmp_path, files, NAMES)
    assert known is not None and known.clusters.tolist() == [0, 1, 2, 3]


def test_nothing_is_known_without_a_check_or_of_a_torn_table(tmp_path: Path, files: Path) -> None:
    assert known_clusters(tmp_path, files, NAMES) is None
    remember_clusters(tmp_path, files, NAMES, found([0, 0, 1, 2]))
    (table,) = (tmp_path / FOLDER).iterdir()
    table.write_bytes(b"torn")
    assert known_clusters(tmp_path, files, NAMES) is None


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"rule": "a rule"},
        {"precision": 0.9},
        {"rule": "a rule", "precision": "high"},
        {"rule": "a rule", "precision": True},
        {"rule": None, "precision": 0.9},
    ],
)
def test_nothing_is_known_of_a_table_whose_record_is_of_other_make(
    tmp_path: Path, files: Path, record: dict[str, object]
) -> None:
    remember_clusters(tmp_path, files, NAMES, found([0, 0, 1, 2]))
    (table,) = (tmp_path / FOLDER).iterdir()
    write_parquet(table, read_parquet(table)[0], record)
    assert known_clusters(tmp_path, files, NAMES) is None


@pytest.mark.parametrize("column", ["size", "time", "exact", "cluster"])
@pytest.mark.parametrize("cell", ["many", None, np.inf])
def test_nothing_is_known_of_a_table_whose_cells_are_of_other_make(
    tmp_path: Path, files: Path, column: str, cell: object
) -> None:
    remember_clusters(tmp_path, files, NAMES, found([0, 0, 1, 2]))
    (table,) = (tmp_path / FOLDER).iterdir()
    frame = read_parquet(table)[0].assign(**{column: [cell] * len(NAMES)})
    write_parquet(table, frame, {"rule": "a rule", "precision": None})
    assert known_clusters(tmp_path, files, NAMES) is None

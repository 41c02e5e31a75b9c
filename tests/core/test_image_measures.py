"""Measures of images as records: parts, files, orientations."""

from __future__ import annotations

import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.image_measures import (
    ORIENTATIONS,
    STATISTICS,
    ImageMeasures,
    joined,
    oriented,
    read_measures,
    write_measures,
)


def drawn_measures(rows: int, seed: int = 0) -> ImageMeasures:
    rng = np.random.default_rng(seed)
    texts = np.array(["", "one", "two, of more letters"])
    return ImageMeasures(
        digests=np.array([f"{number:032x}" for number in rng.integers(0, 1000, rows)]),
        hashes=rng.integers(0, 2**63, (rows, ORIENTATIONS, 4)).astype(np.uint64),
        height=rng.integers(1, 99, rows).astype(np.int32),
        width=rng.integers(1, 99, rows).astype(np.int32),
        kind=rng.choice(["jpeg", "png"], rows),
        mode=rng.choice(["L", "RGB"], rows),
        statistics={name: rng.random(rows).astype(np.float32) for name in STATISTICS},
        thumbnails=rng.integers(0, 256, (rows, 4, 4)).astype(np.uint8),
        camera=rng.choice(texts, rows),
        taken=rng.choice(texts, rows),
        errors=rng.choice(texts, rows),
    )


def assert_equal(one: ImageMeasures, other: ImageMeasures) -> None:
    for item in fields(ImageMeasures):
        if item.name != "statistics":
            np.testing.assert_array_equal(getattr(one, item.name), getattr(other, item.name))
    assert one.statistics.keys() == other.statistics.keys() == STATISTICS.keys()
    for name in STATISTICS:
        np.testing.assert_array_equal(one.statistics[name], other.statistics[name])


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_measures_come_back_from_a_file(tmp_path: Path, rows: int) -> None:
    measures = drawn_measures(rows)
    write_measures(tmp_path / "m.npz", measures)
    assert_equal(read_measures(tmp_path / "m.npz"), measures)


def test_a_damaged_file_is_told_from_measures(tmp_path: Path) -> None:
    write_measures(tmp_path / "m.npz", drawn_measures(3))
    whole = (tmp_path / "m.npz").read_bytes()
    (tmp_path / "m.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((OSError, ValueError, KeyError, zipfile.BadZipFile)):
        read_measures(tmp_path / "m.npz")


def test_parts_join_to_the_whole() -> None:
    measures = drawn_measures(7)
    assert_equal(joined([measures.take(slice(0, 3)), measures.take(np.array([3, 4, 5, 6]))]), measures)


def test_readable_rows_are_those_without_an_error() -> None:
    measures = drawn_measures(20)
    assert measures.readable.tolist() == [error == "" for error in measures.errors]
    assert 0 < measures.readable.sum() < 20


def test_the_eight_orientations_differ_and_are_those_of_exif() -> None:
    picture = np.array([[1, 2], [3, 4]])
    ways = [oriented(picture, way).tolist() for way in range(ORIENTATIONS)]
    assert len({str(way) for way in ways}) == 8
    assert ways[0] == [[1, 2], [3, 4]]
    assert ways[1] == [[2, 1], [4, 3]]  # mirrored
    assert ways[2] == [[4, 3], [2, 1]]  # half a turn
    assert ways[3] == [[3, 4], [1, 2]]  # upside down
    assert ways[5] == [[3, 1], [4, 2]]  # a quarter turn clockwise, as EXIF's 6 asks for

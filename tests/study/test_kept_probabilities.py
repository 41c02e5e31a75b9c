"""One epoch's probabilities as bytes: float16, small, and nothing but what was stored is read."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.core.errors import StudyError
from orchestrator.study.kept_probabilities import probabilities_from_bytes, probabilities_to_bytes


def drawn(rows: int, classes: int) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.full(classes, 0.2), rows).astype(np.float32)


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def test_probabilities_come_back_to_half_precision_and_sum_to_one() -> None:
    probabilities = drawn(40, 5)
    found = probabilities_from_bytes(probabilities_to_bytes(probabilities), 40, 5)
    assert found.dtype == np.float32 and found == pytest.approx(probabilities, abs=1e-3)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_a_probability_takes_less_than_two_bytes() -> None:
    assert len(probabilities_to_bytes(drawn(4000, 5))) < 2 * 4000 * 5


def test_no_rounding_decides_a_row_otherwise() -> None:
    rng = np.random.default_rng(0)
    close = (0.2 + 1e-5 * rng.standard_normal((200, 5))).astype(np.float32)
    assert (close.astype(np.float16).argmax(axis=1) != close.argmax(axis=1)).any()
    found = probabilities_from_bytes(probabilities_to_bytes(close), 200, 5)
    assert (found.argmax(axis=1) == close.argmax(axis=1)).all() and found == pytest.approx(close, abs=1e-3)
    labels = (0.5 + 1e-4 * rng.standard_normal((200, 5))).astype(np.float32)
    stored = probabilities_to_bytes(labels, multi_label=True)
    assert ((probabilities_from_bytes(stored, 200, 5, multi_label=True) >= 0.5) == (labels >= 0.5)).all()


def test_what_is_possible_does_not_become_impossible() -> None:
    sure = np.array([[1 - 1e-9, 1e-9, 0]], np.float32)
    found = probabilities_from_bytes(probabilities_to_bytes(sure), 1, 3)
    assert 0 < found[0, 1] < 1e-7 and found[0, 2] == 0


def test_labels_keep_probabilities_that_do_not_sum_to_one() -> None:
    chances = np.random.default_rng(0).random((9, 3)).astype(np.float32)
    stored = probabilities_to_bytes(chances, multi_label=True)
    assert probabilities_from_bytes(stored, 9, 3, multi_label=True) == pytest.approx(chances, abs=1e-3)


def test_a_fold_without_rows_has_no_probabilities() -> None:
    stored = probabilities_to_bytes(drawn(0, 3))
    assert probabilities_from_bytes(stored, 0, 3).shape == (0, 3)


@pytest.mark.parametrize(
    "probabilities", [np.full((2, 2), np.nan), np.array([[1.5, -0.5]]), np.array([[0.2, 0.2]])]
)
def test_what_are_no_probabilities_is_not_stored(probabilities: np.ndarray) -> None:
    with pytest.raises(StudyError, match="an epoch's predictions: probabilities"):
        probabilities_to_bytes(probabilities.astype(np.float32))


GOOD = probabilities_to_bytes(drawn(40, 5))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1" + bytes(50) + b"PAR1",
        GOOD[:-20],
        parquet(pa.table({"probability": pa.array(np.zeros(200))})),
        parquet(pa.table({"other": pa.array(np.zeros(200, np.float16))})),
        parquet(pa.table({"probability": pa.array(np.zeros(200_000, np.float16))})),
        parquet(pa.table({"probability": pa.array(np.zeros(200, np.float16))})),
        parquet(pa.table({"probability": pa.array(np.full(200, np.nan, np.float16))})),
        parquet(pa.table({"probability": pa.array([None] * 200, pa.float16())})),
    ],
    ids=["empty", "no header", "cut", "doubles", "another name", "more rows", "zeros", "nan", "nulls"],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(StudyError, match="an epoch's predictions"):
        probabilities_from_bytes(data, 40, 5)


def test_other_numbers_of_rows_or_classes_are_refused_by_the_header() -> None:
    with pytest.raises(StudyError, match="200 numbers where 250 were due"):
        probabilities_from_bytes(GOOD, 50, 5)


def test_a_header_of_a_million_columns_is_refused() -> None:
    wide = pa.table({f"c{number}": pa.array([], pa.float16()) for number in range(70_000)})
    with pytest.raises(StudyError, match="cannot be read"):
        probabilities_from_bytes(parquet(wide), 40, 5)


def test_every_byte_may_be_wrong_and_the_answer_is_an_array_or_a_refusal() -> None:
    small = probabilities_to_bytes(drawn(4, 3))
    for position in range(len(small)):
        broken = bytearray(small)
        broken[position] ^= 0xFF
        try:
            found = probabilities_from_bytes(bytes(broken), 4, 3)
        except StudyError:
            continue
        assert found.shape == (4, 3) and np.isfinite(found).all()

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.data.quality import neighbours
from orchestrator.data.quality.neighbours import cosine_pairs, described, nearest_rows


def drawn(n: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


def cosines(values: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = values.astype(np.float64)
    unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ROWS", 7)
    monkeypatch.setattr(neighbours, "COLUMNS", 10)


@pytest.mark.parametrize("n", [1, 2, 7, 53])
def test_all_pairs_are_those_of_the_whole_matrix(n: int, small_blocks: None) -> None:
    values = drawn(n, 5)
    found = cosine_pairs(values, 0.5)
    first, second = np.nonzero(np.triu(cosines(values) >= 0.5, 1))
    assert found.pairs.tolist() == np.stack([first, second], axis=1).tolist()
    assert np.allclose(found.similarity, cosines(values)[first, second], atol=1e-6)
    assert (found.threshold, found.cut) == (0.5, False)


def test_too_many_pairs_leave_the_most_similar_ones(small_blocks: None) -> None:
    values = drawn(60, 4)
    every, few = cosine_pairs(values, -1.0, most=10_000), cosine_pairs(values, -1.0, most=25)
    assert len(every.pairs) == 60 * 59 // 2 and not every.cut
    assert len(few.pairs) == 25 and few.cut
    assert sorted(few.similarity) == pytest.approx(sorted(every.similarity)[-25:])
    assert few.threshold == pytest.approx(min(few.similarity))


def test_rows_that_could_not_be_described_are_in_no_pair(small_blocks: None) -> None:
    values = np.tile(drawn(1, 6), (12, 1))
    values[3], values[8] = np.nan, 0
    assert described(values).tolist() == [row not in (3, 8) for row in range(12)]
    assert len(cosine_pairs(values, 0.9).pairs) == 10 * 9 // 2
    assert not {3, 8} & set(cosine_pairs(values, -1.0).pairs.ravel().tolist())
    numbers, near = nearest_rows(values, 11)
    assert (numbers[3] == -1).all() and np.isnan(near[8]).all()
    assert sorted(numbers[0].tolist()) == [-1, -1, 1, 2, 4, 5, 6, 7, 9, 10, 11]


def test_the_size_of_embeddings_does_not_matter() -> None:
    values = drawn(20, 8)
    scaled = values * np.float32(10) ** np.linspace(-30, 30, 20, dtype=np.float32)[:, None]
    assert np.allclose(nearest_rows(scaled, 3)[1], nearest_rows(values, 3)[1], atol=1e-5)


@pytest.mark.parametrize("k", [1, 3, 52])
def test_nearest_rows_are_those_of_the_whole_matrix(k: int, small_blocks: None) -> None:
    values = drawn(53, 5)
    own = cosines(values)
    np.fill_diagonal(own, -np.inf)
    numbers, near = nearest_rows(values, k)
    order = np.argsort(-own, axis=1)[:, :k]
    assert numbers.tolist() == order.tolist()
    assert np.allclose(near, np.take_along_axis(own, order, axis=1), atol=1e-6)

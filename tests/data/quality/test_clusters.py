"""Clusters of near duplicates: copies of one picture join, a chain does not."""

from __future__ import annotations

import numpy as np

from orchestrator.data.quality.clusters import star_clusters


def clusters(count: int, *pairs: tuple[int, int], similarity: tuple[float, ...] = ()) -> list[int]:
    values = np.array(similarity or [0.9] * len(pairs), np.float32)
    return star_clusters(count, np.array(pairs, np.int64).reshape(-1, 2), values).tolist()


def test_a_row_without_a_pair_is_alone() -> None:
    assert clusters(3) == [0, 1, 2]
    assert clusters(4, (1, 3)) == [0, 1, 2, 1]


def test_copies_of_one_picture_join_though_they_are_not_alike_themselves() -> None:
    assert clusters(5, (0, 2), (1, 2), (2, 4)) == [0, 0, 0, 3, 0]


def test_a_chain_does_not_join_its_ends() -> None:
    found = clusters(8, *((row, row + 1) for row in range(7)))
    assert found[0] != found[-1]
    for row, code in enumerate(found):
        assert row - code <= 2  # three in a row at most


def test_two_pictures_are_not_joined_by_one_weak_pair_between_their_copies() -> None:
    first, second = [(0, 1), (0, 2), (1, 2)], [(3, 4), (3, 5), (4, 5)]
    found = clusters(6, *first, *second, (2, 3), similarity=(0.99,) * 6 + (0.7,))
    assert len(set(found[:2])) == 1 and len(set(found[4:])) == 1 and found[0] != found[5]


def test_the_order_of_the_pairs_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    pairs = np.unique(np.sort(rng.integers(0, 30, (60, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    similarity = rng.random(len(pairs)).astype(np.float32)
    mixed = rng.permutation(len(pairs))
    np.testing.assert_array_equal(
        star_clusters(30, pairs, similarity), star_clusters(30, pairs[mixed], similarity[mixed])
    )


def test_each_row_is_paired_with_one_and_the_same_row_of_its_cluster() -> None:
    rng = np.random.default_rng(1)
    pairs = np.unique(np.sort(rng.integers(0, 40, (80, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    codes = star_clusters(40, pairs, np.ones(len(pairs), np.float32))
    linked = np.eye(40, dtype=bool)
    linked[pairs[:, 0], pairs[:, 1]] = linked[pairs[:, 1], pairs[:, 0]] = True
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        assert linked[np.ix_(members, members)].all(axis=1).any()

"""The similarity from which on pictures are near duplicates, as groups teach it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from orchestrator.data.quality.threshold import DEFAULT, HIGHEST, learned_threshold


def drawn(
    seed: int, groups: int = 400, edge: float = 0.6, wrong: int = 300, leaks: int = 0
) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    """Pairs, similarities, groups: two copies in each group, pairs across groups up to `edge` similar."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), 2)
    within = np.arange(2 * groups).reshape(-1, 2)
    across = rng.choice(groups, (wrong + leaks, 2)) * 2
    across = across[across[:, 0] != across[:, 1]]
    similar = [
        rng.uniform(0.66, 1, groups),
        rng.uniform(0.3, edge, len(across) - leaks),
        rng.uniform(0.9, 1, leaks),
    ]
    return (
        np.concatenate([within, np.sort(across, axis=1)]),
        np.concatenate(similar).astype(np.float32),
        2 * groups,
        codes,
    )


def test_without_groups_it_is_the_safe_default_and_says_so() -> None:
    found = learned_threshold(*drawn(0)[:3], None, 0)
    assert (found.value, found.precision) == (DEFAULT, None)
    assert "safe default" in found.rule and "no groups" in found.rule


def test_groups_never_lower_it_as_what_is_alike_within_them_need_not_be_a_copy() -> None:
    found = learned_threshold(*drawn(0), 0)
    assert found.value == DEFAULT and found.precision is not None and found.precision > 0.97
    assert re.search(r"learned from 2\d\d groups", found.rule)


def test_groups_do_not_lower_a_default_that_was_raised_either() -> None:
    """Of 300 people seven photos each, several of them alike: the same person, with and without a mask."""
    people = np.repeat(np.arange(300), 7)
    pairs = np.concatenate([np.stack(np.triu_indices(7, 1), axis=1) + 7 * one for one in range(300)])
    similarity = np.random.default_rng(0).normal(0.8, 0.05, len(pairs)).clip(0, 1).astype(np.float32)
    alone = learned_threshold(pairs, similarity, len(people), None, 0)
    assert learned_threshold(pairs, similarity, len(people), people, 0).value >= alone.value > DEFAULT


def test_the_rule_says_of_which_pairs_the_precision_holds() -> None:
    rule = learned_threshold(*drawn(0), 0).rule
    assert "lie within a group" in rule and "no proof of pairs across groups" in rule


def test_groups_raise_it_where_other_pictures_are_alike() -> None:
    found = learned_threshold(*drawn(0, edge=0.85), 0)
    assert 0.8 < found.value <= 0.87


def test_too_few_groups_teach_nothing() -> None:
    found = learned_threshold(*drawn(0, groups=20, wrong=10), 0)
    assert (found.value, found.precision) == (DEFAULT, None)
    assert "too few" in found.rule


def test_leaks_across_groups_do_not_teach_that_copies_are_none() -> None:
    found = learned_threshold(*drawn(0, leaks=60), 0)
    assert found.value == DEFAULT and "across 60 pairs" in found.rule


def test_a_group_with_many_copies_counts_once() -> None:
    pairs, similarity, count, groups = drawn(0, groups=60)
    many = np.stack(np.triu_indices(40, 1), axis=1) + count
    found = learned_threshold(
        np.concatenate([pairs, many]),
        np.concatenate([similarity, np.full(len(many), 0.99, np.float32)]),
        count + 40,
        np.concatenate([groups, np.full(40, 60)]),
        0,
    )
    assert found.precision is None  # 61 groups are too few, whatever one of them holds


def test_pairs_within_two_large_groups_prove_nothing() -> None:
    """Half of the pairs lie within a group by chance alone."""
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1], 500)
    pairs = rng.choice(1000, (4000, 2))
    found = learned_threshold(pairs, rng.uniform(0.9, 1, 4000).astype(np.float32), 1000, groups, 0)
    assert found.precision is None


@pytest.mark.parametrize("edge", [0.7, 0.8])
def test_the_stated_precision_holds_on_groups_that_taught_nothing(edge: float) -> None:
    """The lower end lies below the precision on fresh groups of the same kind in nearly all of 40 draws."""
    holds = []
    for seed in range(40):
        found = learned_threshold(*drawn(seed, edge=edge), seed)
        assert found.precision is not None and DEFAULT <= found.value <= HIGHEST
        pairs, similarity, _, groups = drawn(1000 + seed, edge=edge)
        above = similarity >= found.value
        holds.append(found.precision <= np.mean(groups[pairs[above, 0]] == groups[pairs[above, 1]]))
    assert np.mean(holds) >= 0.9


def test_the_default_is_higher_where_most_rows_have_several_nearly_as_similar() -> None:
    rng = np.random.default_rng(0)
    pairs = np.stack([np.repeat(np.arange(100), 4), rng.integers(100, 200, 400)], axis=1)
    similarity = rng.normal(0.8, 0.05, 400).astype(np.float32)
    assert learned_threshold(pairs, similarity, 200, None, 0).value > DEFAULT
    assert "raised" in learned_threshold(pairs, similarity, 200, None, 0).rule


def test_the_default_stays_where_rows_have_a_copy_or_two() -> None:
    rows = np.arange(0, 300, 3)
    pairs = np.concatenate([np.stack([rows, rows + 1], 1), np.stack([rows, rows + 2], 1)])
    assert learned_threshold(pairs, np.full(200, 0.98, np.float32), 300, None, 0).value == DEFAULT


def test_the_seed_alone_decides_who_is_left_out() -> None:
    assert learned_threshold(*drawn(0, edge=0.85), 3) == learned_threshold(*drawn(0, edge=0.85), 3)

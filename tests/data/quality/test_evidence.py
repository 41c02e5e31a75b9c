"""A grouping is told from chance, and from what a finer one explains already."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.data.quality.evidence import label_concentration, pair_concentration

ROWS = np.arange(240)


def test_labels_that_follow_the_groups_are_beyond_chance() -> None:
    groups = ROWS // 8
    found = label_concentration(groups, ROWS, groups % 2, np.random.default_rng(0))
    assert found is not None
    assert found.inside == 1.0
    assert found.chance == pytest.approx(0.5, abs=0.02)
    assert found.p == pytest.approx(1 / 1000)


def test_random_groups_pass_as_often_as_the_p_value_says() -> None:
    passed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = label_concentration(ROWS // 8, ROWS, rng.integers(0, 3, 240), rng)
        assert found is not None
        passed += found.p <= 0.1
    assert passed <= 13  # of 60 at 0.1: 6 are expected, 13 have a chance of 0.3%


def test_a_coarser_grouping_gets_no_credit_for_what_the_finer_one_explains() -> None:
    rng = np.random.default_rng(1)
    fine = ROWS // 4
    by_fine = rng.integers(0, 2, 60)[fine]  # the label is that of the finer group, whatever the coarser one
    coarse = fine // 5
    alone = label_concentration(coarse, ROWS, by_fine, rng)
    beyond = label_concentration(coarse, fine, by_fine, rng)
    assert alone is not None and beyond is not None
    assert alone.p <= 0.01
    assert beyond.p > 0.05


def test_a_coarser_grouping_that_explains_more_is_seen() -> None:
    rng = np.random.default_rng(2)
    fine, coarse = ROWS // 4, ROWS // 24
    found = label_concentration(coarse, fine, coarse % 2, rng)
    assert found is not None and found.p == pytest.approx(1 / 1000)


def test_pairs_that_look_alike_within_groups_are_beyond_chance_and_others_are_not() -> None:
    rng = np.random.default_rng(3)
    groups = ROWS // 8
    inside = np.array([(row, row + 1) for row in range(0, 240, 8)])
    across = rng.integers(0, 240, (30, 2))
    near, far = (
        pair_concentration(groups, ROWS, pairs, np.random.default_rng(0)) for pairs in (inside, across)
    )
    assert near is not None and near.p == pytest.approx(1 / 1000) and near.excess == pytest.approx(1.0)
    assert far is not None and far.p > 0.05


def test_nothing_is_said_of_too_little() -> None:
    rng = np.random.default_rng(4)
    assert label_concentration(ROWS, ROWS, ROWS % 2, rng) is None
    assert label_concentration(ROWS // 8, ROWS, np.full(240, -1), rng) is None
    assert pair_concentration(ROWS // 8, ROWS, np.array([(0, 1), (2, 3)]), rng) is None


def test_a_row_without_a_label_counts_for_nothing() -> None:
    groups, labels = ROWS // 8, (ROWS // 8) % 2
    unknown = np.where(ROWS % 2 == 0, labels, -1)
    found = label_concentration(groups, ROWS, unknown, np.random.default_rng(0))
    assert found is not None and found.inside == 1.0


def test_many_rows_and_classes_are_tested_on_whole_groups() -> None:
    rows = np.arange(20_000)
    groups = rows // 40
    found = label_concentration(groups, rows, groups % 100, np.random.default_rng(0))
    assert found is not None and found.p == pytest.approx(1 / 1000)

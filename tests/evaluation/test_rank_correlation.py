"""Spearman's rank correlation against scipy's, and how often its interval holds the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from orchestrator.evaluation.rank_correlation import rank_correlation


@pytest.mark.parametrize("seed", range(4))
def test_the_value_is_scipys_ties_included(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 5, 9).astype(float)
    second = first + rng.integers(0, 4, 9)
    found = rank_correlation(first.tolist(), second.tolist())
    assert found is not None and found.value == pytest.approx(spearmanr(first, second).statistic)
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_ranks_that_agree_have_a_finite_interval_that_shrinks_with_their_number() -> None:
    few, many = (rank_correlation(range(n), range(n)) for n in (4, 40))
    assert few is not None and many is not None
    assert few.value == many.value == few.high == 1
    assert few.low < 0 < 0.9 < many.low < 1  # four pairs in order are chance once in twelve
    reverse = rank_correlation(range(4), range(0, -4, -1))
    assert reverse is not None and (reverse.low, reverse.high) == (-1, pytest.approx(-few.low))


def test_without_enough_pairs_there_is_none_and_without_differences_no_number() -> None:
    assert rank_correlation([1, 2, 3], [1, 2, 3]) is None
    flat = rank_correlation([1, 1, 1, 1], [1, 2, 3, 4])
    assert flat is not None and math.isnan(flat.value) and "always the same" in str(flat)


@pytest.mark.parametrize("n", [6, 20])
def test_the_interval_holds_the_truth_as_often_as_it_says(n: int) -> None:
    """Of normal pairs with correlation 0.8 the rank correlation of all is 6 / pi * arcsin(0.4)."""
    truth, rng, held = 6 / math.pi * math.asin(0.4), np.random.default_rng(0), 0
    for _ in range(400):
        first = rng.standard_normal(n)
        second = 0.8 * first + 0.6 * rng.standard_normal(n)
        found = rank_correlation(first.tolist(), second.tolist())
        assert found is not None
        held += found.low <= truth <= found.high
    assert held / 400 >= 0.92

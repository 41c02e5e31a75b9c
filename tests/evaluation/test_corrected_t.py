"""Folds share most of their training rows: the corrected t is wider than a plain one, by a known factor."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from orchestrator.evaluation.corrected_t import corrected_half_width, fold_difference


def test_it_is_the_plain_t_interval_wider_by_the_share_held_out_to_trained_on() -> None:
    scores = [0.7, 0.74, 0.69, 0.71, 0.76]
    low, high = stats.t.interval(0.95, 4, np.mean(scores), stats.sem(scores))
    assert corrected_half_width(scores) == pytest.approx((high - low) / 2 * math.sqrt(1 + 5 / 4))


def test_a_difference_that_all_folds_agree_on_is_decided_and_one_that_they_do_not_is_not() -> None:
    first = [0.6, 0.7, 0.65, 0.72, 0.61]
    better = fold_difference(first, [item + 0.03 + 0.001 * at for at, item in enumerate(first)])
    assert better.mean == pytest.approx(0.032) and better.is_decided
    assert "+0.0320 (95% interval" in str(better) and "5 folds" in str(better)
    assert not fold_difference(first, first[::-1]).is_decided


def test_folds_without_a_score_are_left_out_and_one_fold_has_no_interval() -> None:
    found = fold_difference([0.5, math.nan, 0.6], [0.6, 0.6, math.nan])
    assert found.differences == pytest.approx([0.1])
    assert math.isnan(found.low) and not found.is_decided and "no interval" in str(found)
    assert math.isnan(fold_difference([math.nan], [0.5]).mean)

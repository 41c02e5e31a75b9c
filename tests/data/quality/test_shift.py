from __future__ import annotations

import re

import numpy as np
import pytest

from orchestrator.data.quality.differences import cliffs_delta, differences
from orchestrator.data.quality.shift import CLIP, ToldApart, importance_weights, told_apart


def test_no_row_of_a_group_reaches_the_model_that_answers_it() -> None:
    """Groups of twins that share a code: learned by heart, each twin would be told by the other."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 2)
    codes = rng.standard_normal((100, 150)).astype(np.float32)[groups]
    is_new = groups % 2 == 0
    answers = told_apart(codes, is_new, groups, np.random.default_rng(1))
    apart = told_apart(codes, is_new, np.arange(200), np.random.default_rng(1))
    right = (answers.probabilities > 0.5) == is_new
    assert right.mean() < 0.65, "nothing tells the two kinds apart but the groups themselves"
    assert ((apart.probabilities > 0.5) == is_new).mean() > 0.8, (
        "which a model learns where they are not kept together"
    )


def test_weights_follow_the_density_ratio() -> None:
    rng = np.random.default_rng(0)
    known, new = rng.normal(0, 1, (3000, 1)), rng.normal(0.5, 1, (3000, 1))
    features = np.concatenate([known, new]).astype(np.float32)
    is_new = np.arange(6000) >= 3000
    answers = told_apart(features, is_new, np.arange(6000), rng)
    weights = importance_weights(answers, is_new)
    true = np.exp(0.5 * known[:, 0] - 0.125)
    assert np.corrcoef(weights.values, true)[0, 1] > 0.98
    assert weights.values.mean() == pytest.approx(1)
    # Rows with these weights have the mean of the others.
    assert (weights.values * known[:, 0]).mean() == pytest.approx(0.5, abs=0.06)
    kish = weights.values.sum() ** 2 / (weights.values**2).sum()
    assert weights.effective_rows == pytest.approx(kish) and 1500 < kish < 3000


def test_weights_are_level_where_nothing_tells_the_rows_apart() -> None:
    rng = np.random.default_rng(2)
    features = rng.standard_normal((600, 300)).astype(np.float32)
    is_new = np.arange(600) % 3 == 0
    told = told_apart(features, is_new, np.arange(600), rng)
    raw = told.probabilities[~is_new] / (1 - told.probabilities[~is_new])
    assert raw.sum() ** 2 / (raw**2).sum() < 0.8 * 400, "the model itself is far too sure"
    assert importance_weights(told, is_new).effective_rows > 0.95 * 400


def test_few_rows_that_hold_all_the_weight_are_counted() -> None:
    rng = np.random.default_rng(0)
    is_new = np.arange(2000) >= 1000
    answers = np.where(is_new, 0.99, 0.01).astype(np.float32)
    answers[:5], answers[-5:] = 0.999, 0.01
    weights = importance_weights(ToldApart(answers, rng.integers(0, 5, 2000).astype(np.int16)), is_new)
    assert np.isfinite(weights.values).all() and 0 < weights.clipped <= 0.01
    assert weights.values.mean() == pytest.approx(1) and weights.effective_rows < CLIP
    assert np.isclose(weights.values[:5], weights.values.max()).all()


def test_cliffs_delta_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, 40).astype(float), rng.integers(2, 12, 30).astype(float)
    exact = np.sign(second[:, None] - first[None]).mean()
    assert cliffs_delta(first, second) == pytest.approx(exact)


def test_properties_that_differ_are_named_with_their_effect() -> None:
    rng = np.random.default_rng(0)
    second = np.arange(400) >= 200
    columns = {
        "brightness": rng.normal(0.5, 0.1, 400) - 0.3 * second,
        "bytes": np.where(second, 1458.0, 900.0),
        "same": rng.normal(0, 1, 400),
        "unknown": np.full(400, np.nan),
        "camera": np.where(second, "B", np.where(np.arange(400) % 2, "A", "")),
    }
    found = differences(columns, second)
    assert [item.name for item in found] == ["bytes", "camera", "brightness"]
    sizes, *found = found
    assert (sizes.first, sizes.second) == ("900", "1458") and re.fullmatch(r"0\.\d{3}", found[1].first)
    assert found[0].effect == 1 and found[0].first == "none 50%, A 50%" and found[0].second == "B 100%"
    assert found[1].effect < -0.9

from __future__ import annotations

import numpy as np

from orchestrator.evaluation.domain_shift import BOUND, LEAST, DomainShift, domain_shift, too_few


def shifted(by: float, seed: int) -> DomainShift:
    """200 groups of two rows, a quarter of the groups to predict."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(200), 2)
    is_new = groups % 4 == 0
    features = rng.standard_normal((400, 20)) + rng.standard_normal((200, 20))[groups]
    features[is_new, :5] += by
    return domain_shift(features.astype(np.float32), is_new, groups, seed)


def test_an_honest_split_is_not_told_apart() -> None:
    found = [shifted(0.0, seed) for seed in range(40)]
    covers = sum(item.auc.low <= 0.5 <= item.auc.high for item in found)
    assert covers >= 34, "a 95% interval misses in 2 of 40, in 6 or more of them once in 70"
    assert not any(item.is_certain for item in found)
    assert abs(np.mean([item.auc.score for item in found]) - 0.5) < 0.02


def test_a_shift_is_told_apart_and_the_rows_are_ordered_by_it() -> None:
    found = shifted(2.0, 0)
    assert found.is_certain and found.auc.low > BOUND and found.auc.score > 0.9
    assert set(found.most_unlike) == set(np.flatnonzero(found.is_new))
    ordered = found.probabilities[found.most_unlike]
    assert (np.diff(ordered) <= 0).all()
    assert len(found.weights.values) == (~found.is_new).sum()
    assert found.weights.effective_rows < 0.5 * len(found.weights.values)
    assert str(found).startswith("rows to predict differ from training rows: AUC ")


def test_a_comparison_needs_groups_of_both_kinds() -> None:
    is_new = np.arange(400) < 100
    few = np.where(is_new, np.arange(400) // 10, np.arange(400))
    assert too_few(is_new, np.arange(400)) == ""
    assert too_few(is_new, few) == f"10 groups of rows to predict, and a comparison needs {LEAST}"
    assert too_few(~is_new, few).startswith("10 groups of training rows")

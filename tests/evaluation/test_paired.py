"""The paired difference: equal to the slow way, and narrower than two intervals side by side."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core import metrics
from orchestrator.core.errors import EnsembleError
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.paired import paired_difference
from tests.evaluation.test_estimate import rng, sample


def improved(labels: np.ndarray, probabilities: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The same probabilities with some of the wrong rows put right."""
    better = probabilities.copy()
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    mended = rng(seed).choice(wrong, int(share * len(wrong)), replace=False)
    better[mended] = np.eye(probabilities.shape[1], dtype=np.float32)[labels[mended]]
    return better


@pytest.mark.parametrize("metric", sorted(metrics.METRICS))
def test_its_interval_is_that_of_differences_over_resampled_rows(metric: str) -> None:
    labels, first, groups = sample(1)
    second = improved(labels, first, 0.3, seed=5)
    names = [f"g{group:02d}" for group in groups]  # sorted as the numbers are
    found = paired_difference(labels, first, second, names, metric, rng(2), repeats=200)
    drawn = rng(2).multinomial(40, np.full(40, 1 / 40), size=200)
    slow = []
    for bag in drawn:
        rows = np.repeat(np.arange(len(labels)), bag[groups])
        scores = [metrics.score(metric, labels[rows], item[rows]) for item in (first, second)]
        slow.append(scores[1] - scores[0])
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=1e-12)
    assert found.difference == pytest.approx(
        metrics.score(metric, labels, second) - metrics.score(metric, labels, first)
    )
    assert (found.n_rows, found.n_groups) == (240, 40)


def test_a_model_against_itself_differs_by_nothing() -> None:
    labels, first, groups = sample(1)
    found = paired_difference(labels, first, first, groups, "macro_f1", rng())
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0) and not found.is_decided


def test_swapping_the_models_turns_the_sign() -> None:
    labels, first, groups = sample(1)
    second = improved(labels, first, 0.3, seed=5)
    forth = paired_difference(labels, first, second, groups, "accuracy", rng(3))
    back = paired_difference(labels, second, first, groups, "accuracy", rng(3))
    assert forth.is_decided and back.is_decided
    turned = (-back.difference, -back.high, -back.low)
    assert (forth.difference, forth.low, forth.high) == pytest.approx(turned)


def test_pairing_decides_what_two_intervals_side_by_side_leave_open() -> None:
    labels, first, groups = sample(1)
    second = improved(labels, first, 0.2, seed=5)
    one, other = (group_bootstrap(labels, item, groups, "macro_f1", rng(4)) for item in (first, second))
    found = paired_difference(labels, first, second, groups, "macro_f1", rng(4))
    assert one.high > other.low, "the intervals overlap"
    assert found.low > 0
    assert found.high - found.low < min(one.high - one.low, other.high - other.low)


def test_groups_are_resampled_not_rows() -> None:
    """Rows of a group that all change alike are one observation, not many."""
    draw = rng(6)
    groups = np.repeat(np.arange(12), 30)
    labels = draw.integers(0, 2, 360)
    right = np.eye(2, dtype=np.float32)[labels]
    second = np.where((groups % 2 == 0)[:, None], right, 1 - right)
    first = 1 - second
    by_group = paired_difference(labels, first, second, groups, "accuracy", rng(7))
    by_row = paired_difference(labels, first, second, np.arange(360), "accuracy", rng(7))
    assert by_group.high - by_group.low > 3 * (by_row.high - by_row.low)


def test_its_text_has_sign_interval_rows_and_groups() -> None:
    labels, first, groups = sample(1)
    text = str(paired_difference(labels, first, improved(labels, first, 0.3, 5), groups, "accuracy", rng()))
    assert text.startswith("+0.") and "accuracy (95% interval +0." in text and "240 rows of 40 groups" in text


def test_one_group_alone_is_refused() -> None:
    labels, first, _ = sample(1)
    with pytest.raises(EnsembleError, match="at least 2"):
        paired_difference(labels, first, first, np.zeros(240, int), "macro_f1", rng())

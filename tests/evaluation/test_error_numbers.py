"""Errors in numbers: as scikit-learn counts them, with intervals that groups are resampled for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix, precision_recall_fscore_support

from orchestrator.evaluation.calibration import equal_mass_ece
from orchestrator.evaluation.class_scores import class_scores
from orchestrator.evaluation.confusion import confusion, label_confusion
from orchestrator.evaluation.group_scores import group_scores, unevenness, wilson
from orchestrator.evaluation.mistakes import worst_mistakes
from orchestrator.evaluation.reliability import reliability
from tests.evaluation.test_estimate import rng, sample

Make = Callable[[int], tuple[np.ndarray, ...]]


def several(seed: int, rows: int = 200, labels: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = rng(seed)
    has = (draw.random((rows, labels)) < 0.3).astype(np.int64)
    chances = np.clip(0.5 * has + draw.random((rows, labels)) * 0.6, 0, 1).astype(np.float32)
    return has, chances, draw.integers(0, 30, rows)


# ---- confusion ----


def test_confusion_counts_are_those_of_scikit_learn() -> None:
    labels, probabilities, _ = sample(1)
    found = confusion(labels, probabilities)
    expected = confusion_matrix(labels, probabilities.argmax(axis=1))
    assert (found.counts == expected).all()
    np.testing.assert_allclose(found.shares, expected / expected.sum(axis=1, keepdims=True))


def test_a_class_without_rows_has_no_shares_and_no_row_is_lost() -> None:
    labels, probabilities, _ = sample(1, classes=4)
    labels[labels == 3] = 0
    found = confusion(labels, probabilities)
    assert np.isnan(found.shares[3]).all() and found.counts.sum() == len(labels)


def test_the_commonest_errors_come_first_and_right_rows_are_none() -> None:
    labels = np.array([0] * 6 + [1] * 5)
    predicted = np.array([0, 1, 1, 1, 2, 2, 1, 1, 1, 1, 2])
    found = confusion(labels, np.eye(3, dtype=np.float32)[predicted])
    assert found.most_confused(5) == [(0, 1, 3), (0, 2, 2), (1, 2, 1)]
    assert found.distances.tolist() == [5, 4, 2]


def test_confusion_of_several_labels_is_that_of_scikit_learn() -> None:
    labels, chances, _ = several(2)
    found = label_confusion(labels, chances)
    expected = multilabel_confusion_matrix(labels, chances >= 0.5)
    cells = (found.rejected, found.false_alarms, found.missed, found.hits)
    for cell, at in zip(cells, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        assert cell.tolist() == expected[:, at[0], at[1]].tolist()


# ---- classes ----


@pytest.mark.parametrize("make", [sample, several])
def test_class_scores_are_those_of_scikit_learn(make: Make) -> None:
    labels, probabilities, groups = make(3)
    predicted = probabilities.argmax(axis=1) if labels.ndim == 1 else (probabilities >= 0.5).astype(int)
    found = class_scores(labels, probabilities, groups, rng(), repeats=50)
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted)
    assert [item.precision.value for item in found] == pytest.approx(precision)
    assert [item.recall.value for item in found] == pytest.approx(recall)
    assert [item.f1.value for item in found] == pytest.approx(f1)
    assert [item.rows for item in found] == support.tolist()
    for item in found:
        assert item.f1.low <= item.f1.value <= item.f1.high


def test_an_interval_is_that_of_scores_of_resampled_groups_one_by_one() -> None:
    labels, probabilities, groups = sample(4)
    found = class_scores(labels, probabilities, [f"g{group:02d}" for group in groups], rng(7), repeats=60)
    slow = []
    for bag in rng(7).multinomial(40, np.full(40, 1 / 40), size=60):
        rows = np.repeat(np.arange(len(labels)), bag[groups])
        slow.append(precision_recall_fscore_support(labels[rows], probabilities[rows].argmax(axis=1))[1][2])
    assert (found[2].recall.low, found[2].recall.high) == pytest.approx(
        tuple(np.quantile(slow, [0.025, 0.975]))
    )


def test_intervals_over_groups_that_err_alike_are_wider_than_over_rows() -> None:
    draw = rng(5)
    groups = np.repeat(np.arange(40), 10)
    right = np.repeat(draw.random(40) < 0.7, 10)
    labels = draw.integers(0, 2, 400)
    probabilities = np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)]
    by_group, by_row = (
        class_scores(labels, probabilities, own, rng(1), repeats=300)[0].recall
        for own in (groups, range(400))
    )
    assert by_group.high - by_group.low > 2 * (by_row.high - by_row.low)


def test_what_is_undefined_is_said_to_be() -> None:
    labels = np.zeros(6, np.int64)
    probabilities = np.tile(np.float32([0.9, 0.1]), (6, 1))
    none = class_scores(labels, probabilities, range(6), rng(), repeats=20)[1]
    assert none.rows == none.groups == 0
    assert all(math.isnan(item.value) for item in (none.precision, none.recall, none.f1))
    never = class_scores(1 - labels, probabilities, range(6), rng(), repeats=20)[1]
    assert never.recall.value == 0 and math.isnan(never.recall.low)  # 0 of 6 is no proof of never
    alone = class_scores(labels, probabilities, ["a"] * 6, rng(), repeats=20)[0]
    assert alone.f1.value == 1 and math.isnan(alone.f1.low)


# ---- groups ----


def test_the_worst_group_is_the_one_with_evidence_not_the_one_with_a_single_wrong_row() -> None:
    groups = np.array(["one"] + ["many"] * 20 + ["good"] * 20)
    labels = np.zeros(41, np.int64)
    predicted = np.array([1] + [1] * 15 + [0] * 5 + [0] * 20)
    found = group_scores(labels, np.eye(2, dtype=np.float32)[predicted], groups)
    assert [item.group for item in found] == ["many", "one", "good"]
    assert found[0].rows == 20 and found[0].right.value == pytest.approx(0.25)


def test_wilsons_interval_is_the_published_one() -> None:
    low, high = wilson(np.array([81, 0]), np.array([263, 10]))  # Newcombe, 1998, table I
    assert (low[0], high[0]) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert low[1] == 0 and high[1] == pytest.approx(0.2775, abs=5e-5)


def test_groups_that_are_right_or_wrong_together_are_told_from_chance() -> None:
    draw, groups = rng(6), np.repeat(np.arange(100), 8)
    together, apart = np.repeat(draw.random(100) < 0.7, 8), draw.random(800) < 0.7
    assert unevenness(together, groups).correlation == pytest.approx(1)
    assert abs(unevenness(apart, groups).correlation) < 0.1
    assert math.isnan(unevenness(apart, np.arange(800)).correlation)


# ---- mistakes ----


def test_worst_mistakes_are_wrong_rows_of_the_highest_loss_one_of_each_group() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    probabilities = np.float32([[0.1, 0.9], [0.01, 0.99], [0.3, 0.7], [0.4, 0.6], [0.6, 0.4]])
    codes = np.array([0, 0, 1, 2, 3])
    found = worst_mistakes(labels, probabilities, codes, 10)
    assert [item.at for item in found] == [1, 2, 4]
    assert found[0].loss == pytest.approx(-math.log(0.01), rel=1e-4)
    assert (found[0].label, found[0].predicted, found[0].given) == (0, 1, pytest.approx(0.01))
    assert len(worst_mistakes(labels, probabilities, codes, 2)) == 2


def test_a_mistake_of_several_labels_names_the_label_that_was_answered_worst() -> None:
    labels, chances = np.array([[1, 0, 0], [0, 0, 1]]), np.float32([[0.9, 0.1, 0.95], [0.1, 0.2, 0.8]])
    (found,) = worst_mistakes(labels, chances, np.array([0, 1]), 5)
    assert (found.at, found.label, found.holds) == (0, 2, False)


# ---- calibration ----


def calibrated(seed: int, rows: int, sharper: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels drawn by probabilities, which are then made surer than they are right."""
    draw = rng(seed)
    logits = 1.2 * draw.normal(size=(rows, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) < draw.random((rows, 1))).sum(axis=1).clip(0, 2)
    claimed = np.exp(sharper * logits) / np.exp(sharper * logits).sum(axis=1, keepdims=True)
    return labels, claimed.astype(np.float32), draw.integers(0, rows // 4, rows)


@pytest.mark.parametrize("make", [sample, several])
def test_the_curve_has_all_rows_and_its_error_is_the_ece(make: Make) -> None:
    labels, probabilities, groups = make(8)
    found = reliability(labels, probabilities, groups, rng(), repeats=20)
    assert sum(item.rows for item in found.bins) == labels.size
    assert found.ece.value == pytest.approx(equal_mass_ece(labels, probabilities, np.ones(len(labels))))
    sure = [item.sure for item in found.bins]
    assert sure == sorted(sure) and len(sure) == 15
    if labels.ndim == 1:
        gaps = sum(item.rows * abs(item.right.value - item.sure) for item in found.bins) / len(labels)
        assert gaps == pytest.approx(found.ece.value, abs=1e-6)


def test_calibrated_answers_stay_below_what_chance_gives_and_sharper_ones_do_not() -> None:
    inside = 0
    for seed in range(20):
        found = reliability(*calibrated(seed, 600), rng(seed), repeats=100)
        inside += found.ece.value <= found.by_chance and found.ece.low == 0
        assert found.ece.low <= found.ece.value <= found.ece.high
    assert inside >= 16
    surer = reliability(*calibrated(1, 600, sharper=2.5), rng(1), repeats=100)
    assert surer.ece.value > surer.by_chance and surer.ece.low > 0


def test_the_interval_of_the_ece_holds_the_error_of_very_many_rows() -> None:
    truth = equal_mass_ece(*calibrated(99, 100_000, 1.5)[:2], np.ones(100_000))
    held = 0
    for seed in range(20):
        ece = reliability(*calibrated(seed, 1500, 1.5), rng(seed), repeats=100).ece
        held += ece.low <= truth <= ece.high
    assert held >= 15


def test_calibrated_answers_of_groups_that_are_right_together_are_no_more_than_chance() -> None:
    """Groups of 8 rows that have one label and one answer: chance leaves more than row by row."""
    beyond = above_zero = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        sure = rng.uniform(0.5, 0.99, 30)
        labels = (rng.random(30) > sure).astype(np.int64)
        groups = np.repeat(np.arange(30), 8)
        answers = np.column_stack([sure, 1 - sure])[groups].astype(np.float32)
        found = reliability(labels[groups], answers, groups, np.random.default_rng(1), 200)
        beyond += found.ece.value > found.by_chance
        above_zero += found.ece.low > 0
    assert beyond <= 8 and above_zero <= 8  # 3 are expected; drawn row by row it was all of them

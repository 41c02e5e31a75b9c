"""Wrong labels by rows, by groups and among copies; cleanlab is the reference where the two should agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint
from cleanlab.rank import get_label_quality_scores

from orchestrator.evaluation.label_issues import (
    confidently_wrong,
    judge_labels,
    share_of_agreement,
    units_of,
)


def soft(rng: np.random.Generator, labels: np.ndarray, classes: int, sure: float) -> np.ndarray:
    """Probabilities that lean towards the labels; the less `sure`, the less."""
    logits = rng.normal(size=(len(labels), classes)) + sure * np.eye(classes)[labels]
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_rows_that_stand_alone_come_in_the_order_of_self_confidence(rng: np.random.Generator) -> None:
    truth = rng.integers(0, 4, 300)
    given = np.where(rng.random(300) < 0.1, (truth + 1) % 4, truth)
    chances = soft(rng, truth, 4, 2.0)
    found = judge_labels(chances, given, np.arange(300))
    quality = get_label_quality_scores(given, chances, method="self_confidence")
    assert np.array_equal(np.argsort(-found.wrong, kind="stable"), np.argsort(quality, kind="stable"))
    assert found.probabilities == pytest.approx(chances) and not found.at_odds.any()


def test_confident_learning_counts_the_rows_that_cleanlab_counts(rng: np.random.Generator) -> None:
    for classes in (2, 3, 7):
        truth = rng.integers(0, classes, 400)
        given = np.where(rng.random(400) < 0.15, (truth + 1) % classes, truth)
        chances = soft(rng, truth, classes, 1.5)
        joint, listed = compute_confident_joint(given, chances, return_indices_of_off_diagonals=True)
        found = confidently_wrong(chances, given)
        assert np.flatnonzero(found).tolist() == sorted(listed)
        assert joint.shape == (classes, classes) and 0 < found.sum() < 200


def test_a_class_that_no_row_has_is_never_confidently_right(rng: np.random.Generator) -> None:
    given = np.array([0, 0, 1, 1])
    chances = np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    assert confidently_wrong(chances, given).tolist() == [False] * 4


def test_a_wrong_group_stands_out_where_none_of_its_rows_does(rng: np.random.Generator) -> None:
    """Seven images of one person with one wrong entry, each of which the models only lean against."""
    groups = np.repeat(np.arange(120), 7)
    truth = rng.integers(0, 3, 120)
    given = truth.copy()
    given[:6] = (truth[:6] + 1) % 3
    chances = soft(rng, truth[groups], 3, 1.0)
    alone = judge_labels(chances, given[groups], np.arange(len(groups)))
    together = judge_labels(chances, given[groups], groups)
    assert len(set(together.wrong[groups == 0])) == 1, "a group's label is one label"
    assert precision(together.wrong, groups < 6) > precision(alone.wrong, groups < 6) + 0.2
    first = groups[np.argsort(-together.wrong, kind="stable")]
    assert len(set(first[: 7 * 6].tolist()) & set(range(6))) >= 4


def precision(order: np.ndarray, wrong: np.ndarray) -> float:
    """Average precision."""
    hits = wrong[np.argsort(-order, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_one_label_among_seven_is_the_suspect_whatever_models_say(
    sure: float, rng: np.random.Generator
) -> None:
    groups = np.repeat(np.arange(60), 7)
    given = np.zeros(420, np.int64)
    given[groups % 2 == 1] = 1
    truth = given.copy()
    given[3] = 1
    found = judge_labels(soft(rng, truth, 2, sure), given, groups)
    assert found.wrong.argmax() == 3 and found.wrong[3] > 0.9 and found.likely[3] == 0
    assert found.at_odds[:7].all() and not found.at_odds[7:].any()
    assert found.wrong[[0, 1, 2, 4, 5, 6]].max() < 0.5


def test_of_two_copies_the_models_say_which_label_is_wrong() -> None:
    chances = np.array([[0.7, 0.3], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    found = judge_labels(chances, np.array([0, 1, 0, 1]), np.array([5, 5, 8, 9]))
    assert found.at_odds.tolist() == [True, True, False, False]
    assert found.wrong[1] > 0.5 > found.wrong[0] and found.wrong[0] + found.wrong[1] == pytest.approx(1)


def test_more_images_of_a_group_are_more_evidence_but_not_as_much_as_strangers(
    rng: np.random.Generator,
) -> None:
    """Where models err alike on all images of a group, seven say hardly more than one."""
    groups = np.repeat(np.arange(200), 7)
    truth = rng.integers(0, 3, 200)
    alike = soft(rng, truth, 3, 1.0)[groups]
    apart = soft(rng, truth[groups], 3, 1.0)
    sure = [
        judge_labels(item, truth[groups], groups).probabilities.max(axis=1).mean() for item in (alike, apart)
    ]
    assert sure[0] == pytest.approx(alike.max(axis=1).mean(), abs=0.05) and sure[1] > sure[0] + 0.1


def test_agreement_within_groups_tells_whose_property_a_target_is(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(300), 7)
    age = rng.integers(0, 3, 300)[groups]
    worn = np.tile([0, 0, 0, 0, 0, 1, 2], 300)
    noisy = np.where(rng.random(2100) < 0.05, (age + 1) % 3, age)
    assert share_of_agreement(age, groups) == 1 and share_of_agreement(worn, groups) < 0
    assert 0.7 < share_of_agreement(noisy, groups) < 0.95
    assert abs(share_of_agreement(rng.permutation(age), groups)) < 0.05
    assert math.isnan(share_of_agreement(age, np.arange(2100)))
    assert units_of(noisy, groups)[1] and not units_of(worn, groups)[1]
    assert len(set(units_of(noisy, groups)[0])) == 300 and len(set(units_of(worn, groups)[0])) == 2100


def test_copies_share_a_label_whether_groups_do_or_not() -> None:
    groups = np.arange(6)
    copies = np.array([0, 1, 0, 3, 4, 4])
    codes, of_group = units_of(np.array([0, 1, 1, 0, 1, 1]), groups, copies)
    assert not of_group and codes[0] == codes[2] and codes[4] == codes[5] and len(set(codes)) == 4


def test_nothing_to_judge_is_no_error() -> None:
    found = judge_labels(np.empty((0, 3)), np.empty(0, np.int64), np.empty(0, np.int64))
    assert found.wrong.shape == (0,) and found.likely.shape == (0,)

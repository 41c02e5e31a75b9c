"""Estimates of any method: a row that is scored has had no say in what scores it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from orchestrator.core.arrays import Probabilities
from orchestrator.core.metrics import score
from orchestrator.evaluation.bbc import bbc
from orchestrator.evaluation.cross_fitted import cross_fitted, cross_fitted_answers
from orchestrator.evaluation.estimate import Estimate, no_estimate
from orchestrator.evaluation.intervals import INTERVALS, Answers, moved, scored
from orchestrator.evaluation.method import Method
from orchestrator.evaluation.resamples import bags, folds_of_groups, parts_in_turn, scores_left_out


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def guesses(seed: int, members: int = 40, rows: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """labels (n,) and members (m, n, 2) that guess: each is worth one half, whatever it scores."""
    draw = rng(seed)
    return draw.integers(0, 2, rows), draw.dirichlet([1, 1], size=(members, rows)).astype(np.float32)


def best_of(labels: np.ndarray, members: np.ndarray) -> Method:
    """The member that is right on most of the weighted rows."""
    right = members.argmax(axis=2) == labels

    def method(weights: np.ndarray) -> Probabilities:
        found: Probabilities = members[int((right * weights).sum(axis=1).argmax())]
        return found

    return method


FOLDS = (np.arange(100) // 2 % 5).astype(np.int16)
GROUPS = np.arange(100) // 2


@pytest.mark.parametrize("way", ["cross_fitted", "bbc"])
def test_the_best_of_many_guessers_is_worth_a_guess(way: str) -> None:
    naive, honest = [], []
    for seed in range(20):
        labels, members = guesses(seed)
        method = best_of(labels, members)
        answers = Answers(labels, method(np.ones(100, np.float32)), FOLDS, GROUPS, "accuracy")
        naive.append(answers.score)
        found = (
            bbc(method, answers, rng(seed), 100)
            if way == "bbc"
            else cross_fitted(method, labels, FOLDS, GROUPS, "accuracy", rng(seed), 100)
        )
        honest.append(found.score)
    assert np.mean(naive) > 0.6
    assert abs(np.mean(honest) - 0.5) < 0.03


def test_a_label_has_no_say_in_how_its_own_fold_is_answered() -> None:
    labels, members = guesses(1)
    before = cross_fitted_answers(best_of(labels, members), FOLDS)
    others = np.where(FOLDS == 2, 1 - labels, labels)
    after = cross_fitted_answers(best_of(others, members), FOLDS)
    assert np.array_equal(before[FOLDS == 2], after[FOLDS == 2])
    assert not np.array_equal(before, after)


def test_every_fit_of_bbc_has_weights_of_whole_groups_and_is_scored_on_the_groups_without_any() -> None:
    labels, members = guesses(2)
    seen = []

    def method(weights: np.ndarray) -> Probabilities:
        seen.append(weights)
        right = np.eye(2, dtype=np.float32)[labels]
        return np.where(weights[:, None] > 0, 1 - right, right)  # right on the rows left out alone

    answers = Answers(labels, members[0], FOLDS, GROUPS, "accuracy")
    assert bbc(method, answers, rng(), 20).score == 1.0
    assert all((weights.reshape(-1, 2) == weights[::2, None]).all() for weights in seen)


def test_bbcs_interval_is_that_of_the_answers_moved_to_the_corrected_score() -> None:
    labels, members = guesses(3)
    method = best_of(labels, members)
    answers = Answers(labels, method(np.ones(100, np.float32)), FOLDS, GROUPS, "accuracy")
    found, naive = bbc(method, answers, rng(5), 50), scored(answers, rng(6))
    expected = moved(naive, found.score, found.method, "accuracy")
    assert [found.low, found.high] == pytest.approx([expected.low, expected.high], abs=0.015)


def test_parts_in_turn_leave_out_every_group_once_and_as_many_of_each_fold() -> None:
    folds = np.repeat([0, 1, 2], [20, 21, 9]).astype(np.int16)
    resamples = parts_in_turn(folds, 50, rng(), 10)
    assert resamples.weights.shape == (50, 50) and resamples.pooled == 10
    for first in range(0, 50, 10):
        out = resamples.weights[first : first + 10] == 0
        assert (out.sum(axis=0) == 1).all()
        assert np.ptp(out.sum(axis=1)) == 0
        assert np.ptp(out[:, :20].sum(axis=1)) == 0 and out[:, 41:].sum(axis=1).max() == 1


def test_pooled_parts_are_scored_as_one_answer_of_all_rows() -> None:
    labels, members = guesses(4)
    resamples = parts_in_turn(FOLDS[::2], 10, rng(), 5)
    scores = scores_left_out(resamples, lambda number: members[0], labels, GROUPS, "macro_f1")
    assert scores == pytest.approx([score("macro_f1", labels, members[0])] * 2, abs=1e-12)


def test_bags_of_all_groups_are_not_among_the_resamples() -> None:
    assert (bags(2, 100, rng()).weights == 0).any(axis=1).all()


def test_a_groups_fold_is_that_of_its_rows() -> None:
    codes = np.array([1, 0, 1, 2])
    assert folds_of_groups(np.array([3, 4, 3, 5], np.int16), codes, 3).tolist() == [4, 3, 5]


@pytest.mark.parametrize("interval", sorted(INTERVALS))
def test_an_interval_covers_the_true_accuracy_about_as_often_as_it_says(interval: str) -> None:
    hits, runs = 0, 200
    for seed in range(runs):
        draw = rng(seed)
        right = np.repeat(draw.random(100) < 0.7, 3)
        answers = Answers(
            np.ones(300, np.int64), np.eye(2, dtype=np.float32)[right.astype(int)],
            (np.arange(300) // 3 % 5).astype(np.int16), np.arange(300) // 3, "accuracy",
        )  # fmt: skip
        found = scored(answers, draw, 200, interval=interval)
        assert found.low < found.score < found.high
        hits += found.low <= 0.7 <= found.high
    assert 0.9 <= hits / runs <= 0.995


def test_the_normal_interval_is_as_wide_as_the_bootstraps_for_a_metric_that_is_no_mean() -> None:
    draw = rng(8)
    labels = draw.integers(0, 3, 600)
    found = np.eye(3)[np.where(draw.random(600) < 0.6, labels, draw.integers(0, 3, 600))]
    answers = Answers(
        labels, found.astype(np.float32), (np.arange(600) // 3 % 5).astype(np.int16), np.arange(600) // 3,
        "macro_f1",
    )  # fmt: skip
    one, other = scored(answers, rng(), interval="bayle"), scored(answers, rng(), interval="percentile")
    assert one.high - one.low == pytest.approx(other.high - other.low, rel=0.12)


def test_one_fold_or_one_group_gives_no_estimate_but_the_reason() -> None:
    labels, members = guesses(5)
    method = best_of(labels, members)
    found = cross_fitted(method, labels, np.zeros(100, np.int16), GROUPS, "accuracy", rng())
    assert not found.is_defined and "no other one to fit on" in found.meaning
    answers = Answers(labels, members[0], FOLDS, np.zeros(100), "accuracy")
    assert "at least 2" in bbc(method, answers, rng()).meaning
    assert str(found) == "none"


def test_two_groups_have_an_estimate() -> None:
    labels, members = guesses(6)
    answers = Answers(labels, members[0], FOLDS, np.arange(100) % 2, "accuracy")
    assert bbc(best_of(labels, members), answers, rng(), 50).is_defined


def test_an_estimate_comes_back_from_json_with_none_for_what_it_lacks() -> None:
    made = Estimate(0.5, 0.4, 0.6, 0.95, "BBC", 7, "BBC-CV accuracy", "It says much.", "bbc")
    assert Estimate.from_json(made.to_json()) == made
    record = no_estimate("bbc", "BBC-CV accuracy", "There is one group.").to_json()
    assert record["score"] is None and math.isnan(Estimate.from_json(record).high)


def test_a_moved_interval_is_wider_by_the_doubt_in_what_moved_it() -> None:
    found = moved(Estimate(0.5, 0.4, 0.65, 0.95, "way", 7), 0.45, "other way", "accuracy")
    doubt = 1.959964 * 0.05 / 3
    assert found.low == pytest.approx(0.45 - np.hypot(0.1, doubt))
    assert found.high == pytest.approx(0.45 + np.hypot(0.15, doubt))
    assert (found.score, found.method) == (0.45, "other way")


@pytest.mark.parametrize(
    ("metric", "least", "most"), [("accuracy", 0, 1), ("log_loss", 0, math.inf), ("mcc", -1, 1)]
)
def test_an_interval_stays_within_what_the_metric_can_be(metric: str, least: float, most: float) -> None:
    found = moved(Estimate(0.9, 0.2, 1.0, 0.95, "way", 7), 0.4, "other way", metric)
    assert (found.low, found.high) == (max(least, found.low), min(most, found.high))
    assert found.low == pytest.approx(max(least, 0.4 - np.hypot(0.7, 1.959964 * 0.5 / 3)))
    labels, members = guesses(3)
    folds = [
        Answers(labels, np.eye(2)[labels].astype(np.float32), FOLDS, GROUPS, metric),
        Answers(labels, members[0], FOLDS, GROUPS, metric),
    ]
    for interval in INTERVALS:
        for answers in folds:
            one = scored(answers, rng(), 50, interval=interval)
            assert least <= one.low <= one.high <= most


def test_of_two_folds_it_says_that_nothing_was_gated() -> None:
    labels, members = guesses(5)
    method = best_of(labels, members)
    said = [
        cross_fitted(method, labels, (GROUPS % k).astype(np.int16), GROUPS, "accuracy", rng()).meaning
        for k in (2, 3)
    ]
    assert ["where nothing can be gated" in words for words in said] == [True, False]

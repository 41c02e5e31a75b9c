"""Several trials' answers as one, without a row's own label having a say in it."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.evaluation.label_evidence import TrialAnswers, pooled_probabilities
from orchestrator.evaluation.learning_dynamics import DynamicsSums
from orchestrator.evaluation.vector_scaling import fit_vector_scaling, gated_vector_scaling, shares_of


def answers(rng: np.random.Generator, labels: np.ndarray, power: float = 1.0) -> TrialAnswers:
    logits = power * (rng.normal(size=(len(labels), 3)) + 2 * np.eye(3)[labels])
    shares = np.exp(logits)
    chances = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return TrialAnswers(np.arange(len(labels)), chances, (np.arange(len(labels)) % 4).astype(np.int16))


def test_a_rows_own_label_changes_nothing_of_what_is_said_of_it() -> None:
    """Nor do the labels of its fold, with which it shares a temperature."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    trials = [answers(rng, labels), answers(rng, labels, 3.0)]
    before = pooled_probabilities(trials, labels, 3)
    other = np.where(trials[0].folds == 1, (labels + 1) % 3, labels)
    after = pooled_probabilities(trials, other, 3)
    same = trials[0].folds == 1
    assert np.array_equal(before[same], after[same]) and not np.allclose(before[~same], after[~same])
    assert before.sum(axis=1) == pytest.approx(np.ones(200))


def test_a_trial_that_is_too_sure_of_everything_does_not_drown_the_others() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 400)
    plain = answers(rng, labels)
    loud = TrialAnswers(
        plain.rows, plain.probabilities**3 / (plain.probabilities**3).sum(1, keepdims=True), plain.folds
    )
    other = answers(rng, labels)
    quiet = pooled_probabilities([plain, other], labels, 3)
    assert pooled_probabilities([loud, other], labels, 3) == pytest.approx(quiet, abs=0.05)


def test_rows_are_judged_by_the_trials_that_answer_them() -> None:
    chances = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    one = TrialAnswers(np.array([2, 0]), chances, np.zeros(2, np.int16))
    two = TrialAnswers(np.array([0]), np.array([[0.8, 0.2]], np.float32), np.zeros(1, np.int16))
    found = pooled_probabilities([one, two], np.array([0, 1, 0]), 2)
    assert found[2] == pytest.approx([0.9, 0.1]) and np.isnan(found[1]).all()
    assert found[0] == pytest.approx([0.5, 0.5])


def test_dynamics_say_how_surely_how_steadily_and_how_late_a_label_is_learnt() -> None:
    sums = DynamicsSums(5)
    late = [
        np.array([[p, 1 - p] for p in row], np.float32)
        for row in ([0.6, 0.1, 0.2], [0.8, 0.7, 0.3], [0.9, 0.4, 0.1], [0.9, 0.8, 0.2])
    ]
    sums.add(np.array([4, 1, 0]), np.zeros(3, np.int64), late)
    found = sums.dynamics()
    assert found.learnt[[4, 1, 0]].tolist() == [0, 0.75, 1] and found.runs.tolist() == [1, 1, 0, 0, 1]
    assert found.confidence[4] == pytest.approx(0.8) and found.variability[0] == pytest.approx(
        np.std([0.2, 0.3, 0.1, 0.2])
    )
    assert np.isnan(found.learnt[[2, 3]]).all()
    sums.add(np.array([4]), np.zeros(1, np.int64), [np.array([[0.1, 0.9]], np.float32)] * 4)
    assert sums.dynamics().learnt[4] == 0.5 and sums.dynamics().confidence[4] == pytest.approx(0.45)


def test_scaling_makes_a_rare_class_as_frequent_as_it_is_and_changes_little_by_few_rows() -> None:
    """Models trained with weighted classes say the rare one three times too often."""
    rng = np.random.default_rng(2)
    odds = rng.normal(size=3000) - 2
    labels = (rng.random(3000) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    rare = 1 / (1 + np.exp(-odds - np.log(4)))
    chances = np.column_stack([1 - rare, rare])
    logs = np.log(chances)
    weights, offsets = fit_vector_scaling(logs, labels)
    found = shares_of(logs * weights + offsets)
    assert chances[:, 1].mean() > labels.mean() + 0.1
    assert found[:, 1].mean() == pytest.approx(labels.mean(), abs=0.01)
    assert found.sum(axis=1) == pytest.approx(np.ones(3000))
    weights, offsets = fit_vector_scaling(logs[:10], labels[:10])
    assert shares_of(logs[:10] * weights + offsets) == pytest.approx(chances[:10], abs=0.2)


def test_scaling_is_used_only_where_it_pays_on_rows_that_it_was_not_fitted_to() -> None:
    rng = np.random.default_rng(3)
    odds = rng.normal(size=2000)
    labels = (rng.random(2000) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    folds = (np.arange(2000) % 4).astype(np.int16)

    def said(shift: float) -> np.ndarray:
        blue = 1 / (1 + np.exp(-odds - shift))
        return np.log(np.column_stack([1 - blue, blue]))

    weights, offsets = gated_vector_scaling(said(0), labels, folds)
    assert weights.tolist() == [1, 1] and offsets.tolist() == [0, 0], "they are right as they are"
    weights, offsets = gated_vector_scaling(said(1), labels, folds)
    assert (shares_of(said(1) * weights + offsets)[:, 1]).mean() == pytest.approx(labels.mean(), abs=0.01)
    weights, offsets = gated_vector_scaling(said(1), labels, folds % 2)
    assert weights.tolist() == [1, 1], "two folds say too little"

"""Which trials may be the best: the best is among them as often as it says, and few others."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.metrics import score
from orchestrator.evaluation.confidence_set import ConfidenceSet, confidence_set, may_be_best
from orchestrator.evaluation.fold_means import FoldMeans
from orchestrator.evaluation.fold_scores import fold_scores

GROUPS = np.arange(400) // 2
FOLDS = (GROUPS % 5).astype(np.int16)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def trials_of(worth: list[float], draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """labels and answers of models that are right that often, all on hard rows less often."""
    hard = 0.8 * draw.normal(size=200)[GROUPS]
    labels = draw.integers(0, 2, 400)
    need = np.array([np.quantile(draw.normal(size=20_000) * 1.2806, share) for share in worth])
    right = hard + draw.normal(size=(len(worth), 400)) < need[:, None]
    return labels, np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)]


def of(labels: np.ndarray, answers: np.ndarray, **more: object) -> ConfidenceSet:
    given = {"metric": "accuracy", "mode": "max", "rng": rng(), "repeats": 200, "groups": GROUPS, **more}
    return confidence_set(list(range(10, 10 + len(answers))), answers, labels, FOLDS, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("worth", [[0.7] * 5, [0.72, 0.7, 0.7, 0.68, 0.6]])
def test_the_best_is_inside_at_least_as_often_as_the_level_says(worth: list[float]) -> None:
    found = [of(*trials_of(worth, rng(seed)), rng=rng(seed + 1000)) for seed in range(100)]
    assert sum(10 in item.trials for item in found) >= 86  # 90, less what chance may take


def test_a_trial_that_is_clearly_worse_is_outside_and_a_clear_winner_is_alone() -> None:
    labels, answers = trials_of([0.75, 0.75, 0.5], rng(11))
    assert set(of(labels, answers).trials) == {10, 11}
    labels, answers = trials_of([0.5, 0.9, 0.5], rng(2))
    found = of(labels, answers)
    assert found.trials == (11,)
    assert str(found) == "trial 11 alone, of 3 complete trials"


def test_smaller_is_better_where_the_mode_says_so() -> None:
    labels, answers = trials_of([0.5, 0.9, 0.5], rng(2))
    found = of(labels, 0.9 * answers + 0.05, metric="brier", mode="min")
    assert found.trials == (11,)


def test_trials_that_answer_alike_are_all_inside_best_first() -> None:
    labels, answers = trials_of([0.7], rng(3))
    assert of(labels, np.repeat(answers, 3, axis=0)).trials == (10, 11, 12)


def test_rows_that_are_not_scored_have_no_say() -> None:
    labels, answers = trials_of([0.6, 0.6], rng(4))
    own = rng(5).random(400) < 0.5
    answers[0, ~own] = np.eye(2)[labels[~own]]  # right on all of the others
    answers[1, own] = np.eye(2)[labels[own]]
    assert of(labels, answers, scored=own).trials == (11,)


def test_one_trial_two_groups_and_what_cannot_be_made_have_an_answer() -> None:
    labels, answers = trials_of([0.7, 0.7], rng(6))
    assert of(labels, answers[:1]).trials == (10,)
    assert of(labels, answers[:0]).reason == "no trial is complete"
    assert "at least 2" in of(labels, answers, groups=np.zeros(400)).reason
    assert of(labels, answers, groups=FOLDS % 2).trials
    undefined = of(np.zeros(400, np.int64), answers, metric="roc_auc")
    assert not undefined.trials and "undefined" in str(undefined)


def test_a_score_that_is_undefined_is_outside() -> None:
    chance = rng().normal(size=(100, 3))
    assert may_be_best(np.array([0.1, np.nan, 0.0]), chance, 0.9).tolist() == [True, False, True]


def test_fold_means_are_those_of_the_rows_drawn_and_skip_folds_without_any() -> None:
    labels, answers = trials_of([0.7], rng(7))
    weights = rng(8).integers(0, 3, (4, 200)).astype(np.float32)
    weights[2, np.arange(200) % 5 == 1] = 0
    found = FoldMeans(labels, FOLDS, GROUPS, weights, "macro_f1")(answers[0])
    for number, drawn in enumerate(weights):
        rows = np.repeat(np.arange(400), drawn[GROUPS].astype(int))
        assert found[number] == pytest.approx(
            fold_scores(labels[rows], answers[0][rows], FOLDS[rows], "macro_f1").mean
        )
    one = FoldMeans(labels, FOLDS, GROUPS, np.ones((1, 200)), "accuracy", FOLDS == 2)(answers[0])
    assert one[0] == pytest.approx(score("accuracy", labels[FOLDS == 2], answers[0][FOLDS == 2]))

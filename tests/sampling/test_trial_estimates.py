"""What a learning sampler learns from: means over all folds at full length, never over the folds at hand."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.events import EpochEnded, LegFailed, LegStarted
from orchestrator.sampling.trial_estimates import TrialEstimates, fold_means, gains, lifted

GAP = np.nan


def estimates_of(
    runs: dict[tuple[int, int], list[float]], mode: str = "max", folds: int = 3
) -> TrialEstimates:
    """runs: (trial, fold) -> score by epoch."""
    made = TrialEstimates(mode, folds)
    for (trial, fold), scores in runs.items():
        made.add(LegStarted(trial, fold, 0, len(scores)))
        for epoch, score in enumerate(scores, 1):
            made.add(EpochEnded(trial, fold, epoch, score))
    return made


def test_missing_folds_are_filled_by_the_additive_fit() -> None:
    # Trial effects 0.5 and 0.7 on folds of +0.1, 0, -0.1: both rows are exactly additive.
    scores = np.array([[0.6, 0.5, 0.4], [0.8, GAP, GAP]])
    assert fold_means(scores) == pytest.approx([0.5, 0.7])
    # By hand, not exactly additive: the folds differ by 0.2 in the one trial that has both.
    assert fold_means(np.array([[0.5, 0.3], [0.6, GAP], [GAP, 0.5]])) == pytest.approx([0.4, 0.5, 0.6])


def test_a_complete_trial_has_its_own_mean() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((6, 4))
    whole = scores[:3].mean(axis=1)
    scores[3:, 1:3] = GAP
    assert fold_means(scores)[:3] == pytest.approx(whole)


def test_a_trial_that_ran_only_the_easy_fold_does_not_look_better() -> None:
    """Fold 0 gives 0.3 more than fold 1; the better trial ran the hard one."""
    easy, hard = fold_means(np.array([[0.8, 0.5], [0.7, GAP], [GAP, 0.6]]))[1:]
    assert hard > easy
    nobody_ran_both = np.array([[0.9, GAP], [0.7, GAP], [GAP, 0.5], [GAP, 0.3]])
    assert fold_means(nobody_ran_both) == pytest.approx([0.7, 0.5, 0.7, 0.5], abs=1e-5)


def test_a_fold_nobody_has_run_changes_nothing() -> None:
    assert fold_means(np.array([[0.4, GAP], [0.6, GAP]])) == pytest.approx([0.4, 0.6])


def test_shorter_trials_are_lifted_by_what_the_longer_ones_gained() -> None:
    assert gains([[0.1, 0.3, 0.4], [0.2, 0.3], [0.5]]) == pytest.approx([0.15, 0.1])
    trials = [[[0.1, 0.3, 0.4], []], [[0.2, 0.3], [0.1]], [[0.5], [0.2]]]
    found = lifted(trials)
    assert found[0, 0] == pytest.approx(0.4)
    assert found[1, 0] == pytest.approx(0.3 + 0.1)  # one epoch short
    assert np.isnan(found[[0, 1], 1]).all()  # not begun; shorter than the trial's longest
    assert found[2].tolist() == pytest.approx([0.5 + 0.15 + 0.1, 0.2 + 0.15 + 0.1])


def test_a_trial_stopped_early_may_look_better_than_one_that_ended() -> None:
    made = estimates_of({(0, 0): [0.2, 0.4, 0.5], (1, 0): [0.4]}, folds=1)
    assert made.values() == pytest.approx({0: 0.5, 1: 0.4 + 0.2 + 0.1})


def test_it_is_the_running_best_that_counts() -> None:
    assert estimates_of({(0, 0): [0.6, 0.2], (1, 0): [0.3, 0.5]}, folds=1).values() == pytest.approx(
        {0: 0.6, 1: 0.5}
    )


def test_where_less_is_better_values_are_turned_round() -> None:
    runs = {(0, 0): [0.9, 0.5], (1, 0): [0.8, 0.95]}
    assert estimates_of(runs, mode="min", folds=1).values() == pytest.approx({0: -0.5, 1: -0.8})


def test_a_retried_leg_replaces_its_epochs() -> None:
    made = estimates_of({(0, 0): [0.9, 0.95], (1, 0): [0.3, 0.4]}, folds=1)
    made.add(LegFailed(0, 0, 2, "lost", "gone"))
    assert made.values()[0] == pytest.approx(0.95)  # the machine's fault: what it scored stands
    made.add(LegStarted(0, 0, 0, 2))
    assert 0 not in made.values()
    for epoch, score in ((1, 0.1), (2, 0.2)):
        made.add(EpochEnded(0, 0, epoch, score))
    assert made.values() == pytest.approx({0: 0.2, 1: 0.4})


@pytest.mark.parametrize("failure", ["nan", "exception", "killed"])
def test_a_failed_trial_counts_as_the_worst_seen(failure: str) -> None:
    made = estimates_of({(0, 0): [0.9], (1, 0): [0.3], (2, 0): [0.5]}, folds=1)
    made.add(LegFailed(0, 0, 1, failure, "why"))
    made.add(LegFailed(3, 0, 0, failure, "why"))
    assert made.values() == pytest.approx({0: 0.3, 1: 0.3, 2: 0.5, 3: 0.3})
    made.add(LegStarted(0, 0, 1, 2))  # a finalist that is retried
    assert made.values()[0] == pytest.approx(0.9)


def test_a_score_that_is_not_finite_is_a_failure() -> None:
    made = estimates_of({(0, 0): [0.5], (1, 0): [0.4, float("nan")]}, folds=1)
    assert made.values() == pytest.approx({0: 0.5, 1: 0.5})


def test_nothing_is_estimated_before_anything_is_known() -> None:
    made = estimates_of({})
    assert made.values() == {}
    made.add(LegFailed(0, 0, 0, "exception", "why"))
    made.add(LegStarted(1, 0, 0, 2))
    assert made.values() == {}

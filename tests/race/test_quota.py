"""How many trials go on: few where ranks have settled, many where they still cross."""

import numpy as np
import pytest

from orchestrator.core.events import Action, EpochEnded, Extended, LegFailed, State
from orchestrator.race import FoldASHA
from orchestrator.race.cohort import Cohort
from orchestrator.race.ladder import Rung, ladder_for_later_cohort
from orchestrator.race.quota import adaptive_quota, movement
from orchestrator.race.simulate import simulate
from tests.support.scenes import epoch, race_of, run_all, start_next, states

LADDER = (Rung(1, 1, 8), Rung(1, 2, 8), Rung(1, 4, 4, 2, 6), Rung(2, 4, 1))


def climbed(
    first: list[float], second: list[float], start: int = 0, ladder: tuple[Rung, ...] = LADDER
) -> Cohort:
    """Eight trials with entries at the two lowest rungs."""
    cohort = Cohort(start, ladder)
    for trial, score in zip(cohort.trials, first, strict=True):
        cohort.enter(trial, score)
    for trial, score in zip(cohort.trials, second, strict=True):
        cohort.promote(trial)
        cohort.enter(trial, score)
    return cohort


SPREAD = [0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]


@pytest.mark.parametrize(
    "gains, quota",
    [
        ([0.1] * 8, 2),  # nothing moved: the least
        ([0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.2], 2),  # sd 0.053, 0.096 from the best
        ([0.0, 0.25, 0.0, 0.25, 0.0, 0.25, 0.0, 0.25], 3),  # sd 0.134: 0.95, 0.8, 0.75 within 0.24
        ([0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5], 4),  # sd 0.267: 1.2, 1.0, 0.8, 0.8 within 0.48
    ],
)
def test_a_quota_is_of_those_the_last_movement_could_bring_to_the_top(gains: list[float], quota: int) -> None:
    cohort = climbed(SPREAD, [score + gain for score, gain in zip(SPREAD, gains, strict=True)])
    assert movement([cohort], 1) == pytest.approx(float(np.std(gains, ddof=1)))
    assert adaptive_quota(cohort, 2, [], 1) == quota


def test_a_quota_stays_within_its_bounds() -> None:
    cohort = climbed(SPREAD, list(reversed(SPREAD)))
    assert adaptive_quota(cohort, 2, [], 1) == 6


def test_too_few_entries_say_nothing() -> None:
    cohort = Cohort(0, (Rung(1, 1, 2), Rung(1, 2, 2), Rung(1, 4, 2, 1, 2), Rung(2, 4, 1)))
    for trial in range(2):
        cohort.enter(trial, 0.5 + trial)
        cohort.promote(trial)
        cohort.enter(trial, 0.5 + trial)
    assert movement([cohort], 1) is None and adaptive_quota(cohort, 2, [], 1) == 2


def test_later_trials_go_on_only_beside_the_finalists_of_all() -> None:
    earlier = climbed(SPREAD, SPREAD)
    for shift, quota in ((-0.5, 0), (0.05, 1)):
        shifted = [score + shift for score in SPREAD]
        assert (
            adaptive_quota(climbed(shifted, shifted, 8, ladder_for_later_cohort(LADDER)), 2, [earlier], 1)
            == quota
        )


def level(trial: int, good: float) -> float:
    return good if trial >= 12 else 0.3 + 0.01 * trial


@pytest.mark.parametrize("good, finalists", [(0.1, [11, 10, 9]), (0.9, [12, 13, 14, 11, 10, 9])])
def test_finalists_meet_across_cohorts(good: float, finalists: list[int]) -> None:
    race = race_of(FoldASHA, trials=12, folds=3, max_t=6)
    race.apply(Extended(24))
    run_all(race, lambda trial, fold: level(trial, good))
    complete = sorted(trial for trial, state in states(race).items() if state is State.COMPLETE)
    assert complete == sorted(finalists)


def test_trials_that_failed_bar_nobody() -> None:
    """All of a study crash in their last epoch; mended, its extension must not find the bar they left."""
    race = race_of(FoldASHA, trials=12, folds=3, max_t=9, max_retries=0)
    while not race.done:
        leg = start_next(race)
        for number in range(leg.start + 1, leg.end + 1):
            if number == 9:
                race.apply(LegFailed(leg.trial, leg.fold, number - 1, "nan", "crashed"))
            elif epoch(race, leg, number, 0.9)[-1].action is not Action.CONTINUE:
                break
    assert set(states(race).values()) <= {State.FAIL, State.PRUNED}
    race.apply(Extended(30))
    run_all(race, lambda trial, fold: 0.5)
    complete = [trial for trial, state in states(race).items() if state is State.COMPLETE]
    assert len(complete) == 3 and min(complete) >= 12


@pytest.mark.parametrize("more", [1, 2, 6])
def test_a_later_trial_needs_to_be_as_good_as_the_last_finalist(more: int) -> None:
    race = race_of(FoldASHA, trials=12, folds=3, max_t=6)
    run_all(race, lambda trial, fold: 0.1 * trial)
    race.apply(Extended(12 + more))
    run_all(race, lambda trial, fold: 0.95 if trial == 12 else 0.0)
    assert states(race)[12] is State.COMPLETE  # third of all: behind 1.1 and 1.0


def test_idle_slots_run_ahead_with_the_likeliest_as_far_as_the_end() -> None:
    scores = np.random.default_rng(1).random((12, 3, 1)).repeat(9, axis=2)
    race = race_of(FoldASHA, trials=12, folds=3, max_t=9)
    log = simulate(race, scores, 36)
    guesses = [event for event in log.events if getattr(event, "speculative", False)]
    assert {event.end for event in guesses} == {2, 4, 9}
    assert sum(isinstance(event, EpochEnded) for event in log.events) == race.spent_fold_epochs

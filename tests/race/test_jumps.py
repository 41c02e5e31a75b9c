"""Scores that jump from epoch to epoch: they count for less, and more trials go on."""

import numpy as np
import pytest

from benchmarks.lockstep import climb
from orchestrator.core.events import EpochEnded, LegStarted, State
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.cohort import Cohort
from orchestrator.race.fold_runs import FoldRuns
from orchestrator.race.ladder import Ladder, Rung, ladder_for_later_cohort, ladder_of
from orchestrator.race.quota import CALM, GAIN, adaptive_quota, jumps, widening
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.synthetic import draw_curves, draw_jumping
from tests.support.scenes import states


@pytest.mark.parametrize("mode, sign", [("max", 1.0), ("min", -1.0)])
@pytest.mark.parametrize(
    "scores, falls",
    [
        ([0.1, 0.2, 0.3], [0.0, 0.0, 0.0]),  # only rises
        ([0.5, 0.3, 0.4], [0.0, 0.2, 0.15]),  # 0.2 below the best, then 0.1
        ([0.5, 0.7, 0.4], [0.0, 0.0, 0.15]),
    ],
)
def test_the_mean_fall_is_what_epochs_lie_below_the_best_so_far(
    scores: list[float], falls: list[float], mode: str, sign: float
) -> None:
    runs = FoldRuns(1, 3, mode)
    runs.grow(1)
    runs.start(LegStarted(0, 0, 0, 3, False, ""))
    for number, score in enumerate(scores, 1):
        runs.end_epoch(EpochEnded(0, 0, number, sign * score))
    assert [runs.mean_fall(0, (0,), epochs) for epochs in (1, 2, 3)] == pytest.approx(falls)
    runs.rewind(runs.get(0, 0), 2)
    assert runs.mean_fall(0, (0,), 2) == pytest.approx(falls[1])


WIDE = (Rung(1, 1, 8), Rung(1, 2, 4, 4, 4, 8), Rung(1, 4, 2, 2, 3, 6), Rung(2, 4, 1), Rung(2, 8, 1))


def entered(falls: list[float], start: int = 0, ladder: Ladder = WIDE) -> Cohort:
    """Eight trials at the lowest rung, the best four with these falls at the second."""
    cohort = Cohort(start, ladder)
    for place, trial in enumerate(cohort.trials):
        cohort.enter(trial, 0.8 - 0.1 * place)
    for place, trial in enumerate(list(cohort.trials)[: len(falls)]):
        cohort.promote(trial)
        cohort.enter(trial, 0.8 - 0.1 * place, falls[place])
    return cohort


@pytest.mark.parametrize(
    "falls, jumped",
    [
        ([0.0, 0.0, 0.0, 0.0], 0.0),
        ([0.02, 0.04, 0.0, 0.0], 0.6),  # of the better two: mean 0.03, their scores' sd 0.05
        ([0.0, 0.0, 0.5, 0.5], 0.0),  # how the worse half jumps is nobody's concern
        ([0.5, 0.5, 0.5], 0.0),  # three trials tell nothing
    ],
)
def test_jumps_are_of_the_better_half_beside_what_sets_it_apart(falls: list[float], jumped: float) -> None:
    assert jumps([entered(falls)], 1) == pytest.approx(jumped)


@pytest.mark.parametrize(
    "jumped, factor", [(0.0, 1.0), (CALM, 1.0), (CALM + 0.25, 1 + GAIN / 4), (9.0, 2.25)]
)
def test_what_lies_above_calm_widens_up_to_a_bound(jumped: float, factor: float) -> None:
    assert widening(jumped) == pytest.approx(factor)


@pytest.mark.parametrize("falls, quota", [([0.0] * 4, 4), ([0.02] * 4, 6), ([0.3] * 4, 8)])
def test_the_second_quota_follows_what_the_first_to_reach_it_show(falls: list[float], quota: int) -> None:
    assert adaptive_quota(entered(falls), 1, [], 1) == quota


def test_the_second_quota_waits_for_the_least_of_its_members() -> None:
    waiting = entered([0.0] * 3)
    assert waiting.quota(1) is None and waiting.unset() is None
    ready = entered([0.0] * 4)
    assert ready.unset() == 1 and ready.outside(0) is None, "the eighth may still come"
    ready.set_quota(1, 4)
    assert ready.outside(0) == 7


def test_trials_that_come_later_hear_of_the_jumps_of_the_earlier() -> None:
    later = {}
    for fall in (0.0, 0.3):
        cohort = entered([], 8, ladder_for_later_cohort(WIDE))
        later[fall] = adaptive_quota(cohort, 1, [entered([fall] * 4)], 8)
    assert later == {0.0: 4, 0.3: 8}


@pytest.mark.parametrize("slots", [1, 4, 16])
@pytest.mark.parametrize("version", [3, 4])
def test_finalists_of_jumping_curves_are_those_of_the_lockstep(slots: int, version: int) -> None:
    """Version 3 too: a study that it began goes on by its decisions."""
    cfg = RaceConfig(32, 5, 18, rule_version=version, early_votes=0)
    for seed in range(5):
        scores = draw_jumping(32, 5, 18, np.random.default_rng(seed)).scores
        race = make_race("fold_asha", cfg)
        simulate(race, scores, slots)
        finalists = {trial for trial, state in states(race).items() if state is State.COMPLETE}
        chosen, spent = climb(scores, ladder_of(cfg), version)
        assert finalists == set(chosen.tolist())
        assert race.spent_fold_epochs == spent if slots == 1 else race.spent_fold_epochs >= spent
        assert race.planned_fold_epochs == spent, "the plan follows the quotas"


def spent(scores: np.ndarray, version: int) -> int:
    race = make_race("fold_asha", RaceConfig(len(scores), 5, 18, rule_version=version, early_votes=0))
    simulate(race, scores, 1)
    return race.spent_fold_epochs


def test_more_is_spent_where_curves_jump_and_nothing_where_they_rise() -> None:
    jumping = [draw_jumping(32, 5, 18, np.random.default_rng(seed)).scores for seed in range(8)]
    rising = [draw_curves(32, 5, 18, np.random.default_rng(seed)).scores for seed in range(8)]
    assert sum(spent(scores, 4) for scores in jumping) > 1.04 * sum(spent(scores, 3) for scores in jumping)
    assert [spent(scores, 4) for scores in rising] == [spent(scores, 3) for scores in rising]

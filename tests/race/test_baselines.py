import math

import numpy as np
import pytest

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.events import Action, LegFailed, Resumed, State
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.baselines import Exhaustive, PooledASHA
from orchestrator.race.baselines.stock_asha import percentile
from tests.support.scenes import epoch, race_of, run_all, run_leg, start_next, states


def test_exhaustive_runs_trial_by_trial_and_fold_by_fold() -> None:
    race = race_of(Exhaustive, trials=2, folds=2, max_t=3, fold_order=(1, 0))
    seen = []
    while not race.done:
        leg = start_next(race)
        seen.append((leg.trial, leg.fold, leg.start, leg.end))
        assert run_leg(race, leg, 0.1 * leg.trial)[-1].action is Action.STOP
    assert seen == [(0, 1, 0, 3), (0, 0, 0, 3), (1, 1, 0, 3), (1, 0, 0, 3)]
    assert [status.trial for status in race.statuses()] == [1, 0]
    assert race.spent_fold_epochs == race.planned_fold_epochs == 12


def test_exhaustive_goes_on_without_the_trial_that_fails() -> None:
    race = race_of(Exhaustive, trials=2, folds=2, max_t=1)
    leg = start_next(race)
    assert race.apply(LegFailed(leg.trial, leg.fold, 0, "exception", "boom"))[0].action is Action.FAIL
    run_all(race, lambda trial, fold: 0.5)
    assert states(race) == {0: State.FAIL, 1: State.COMPLETE}


def test_percentile_is_numpys() -> None:
    rng = np.random.default_rng(0)
    for size in range(1, 30):
        values = sorted(rng.normal(size=size).tolist())
        assert percentile(values, 2 / 3) == pytest.approx(np.percentile(values, 200 / 3), abs=1e-12)


def test_a_trial_with_a_stopped_fold_run_is_pruned_while_its_other_fold_runs_go_on() -> None:
    race = race_of(PooledASHA, trials=2, folds=2, max_t=9, grace_period=1)
    first, second, third = (start_next(race) for _ in range(3))
    epoch(race, first, 1, 0.9)
    decisions = epoch(race, second, 1, 0.1)
    assert [item.action for item in decisions] == [Action.PRUNE, Action.STOP]
    assert "worse than the cut 0.9000 of 1 entry" in decisions[1].reason
    start_next(race)
    pruned = next(status for status in race.statuses() if status.trial == 0)
    assert pruned.state is State.PRUNED and pruned.reason == decisions[1].reason
    assert epoch(race, first, 2, 0.9)[-1].action is Action.CONTINUE
    assert epoch(race, third, 1, 0.95)[-1].action is Action.CONTINUE


def test_after_resume_a_fold_run_of_a_pruned_trial_starts_again() -> None:
    race = race_of(PooledASHA, trials=1, folds=2, max_t=9, grace_period=1)
    first, second = start_next(race), start_next(race)
    epoch(race, first, 1, 0.9)
    epoch(race, second, 1, 0.1)
    race.apply(Resumed())
    leg = race.next()
    assert leg is not None and (leg.fold, leg.start) == (0, 0)


@pytest.mark.parametrize("rule", ["fold_asha", "exhaustive", "pooled_asha"])
@pytest.mark.parametrize(
    "numbers, words",
    [
        ({"trials": 0}, "trials=0 must be a whole number of at least 1"),
        ({"folds": 0}, "folds=0"),
        ({"max_t": 1.5}, "max_t=1.5"),
        ({"grace_period": 30}, "grace_period=30 is longer than max_t=9"),
        ({"reduction_factor": 1}, "reduction_factor=1"),
        ({"finalists": 0}, "finalists=0"),
        ({"mode": "up"}, "mode='up'"),
        ({"fold_order": (0, 0, 1)}, "fold_order"),
        ({"max_retries": -1}, "max_retries=-1"),
    ],
)
def test_numbers_that_make_no_race_are_refused(rule: str, numbers: dict[str, object], words: str) -> None:
    with pytest.raises(SearchSpaceError, match=words):
        make_race(rule, RaceConfig(**{"trials": 8, "folds": 3, "max_t": 9, **numbers}))  # type: ignore[arg-type]


def test_an_unknown_rule_is_refused_with_those_there_are() -> None:
    with pytest.raises(SearchSpaceError, match="'asha' is not known; give one of fold_asha, exhaustive"):
        make_race("asha", RaceConfig(trials=8, folds=3, max_t=9))


def test_a_score_that_is_not_finite_fails_a_pooled_trial_but_not_its_other_fold_runs() -> None:
    race = race_of(PooledASHA, trials=1, folds=2, max_t=2)
    first, second = start_next(race), start_next(race)
    assert epoch(race, first, 1, math.inf)[-1].action is Action.STOP
    assert states(race)[0] is State.FAIL
    assert epoch(race, second, 1, 0.5)[-1].action is Action.CONTINUE

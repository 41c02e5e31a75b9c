"""The baselines that go fold by fold: who stops, when and why."""

import pytest

from orchestrator.core.events import Action, Decision, Extended, Leg, LegFailed, Resumed, State
from orchestrator.race.baselines import Aggressive, Forgiving, SequentialCV
from orchestrator.race.finishing import FinishingRace
from orchestrator.race.rule import Rule
from tests.support.scenes import epoch, race_of, run_all, run_leg, start_next, states


def legs(race: FinishingRace, slots: int) -> list[tuple[int, int, int, int]]:
    """What `slots` free slots take now."""
    taken = [start_next(race) for _ in range(slots)]
    return [(leg.trial, leg.fold, leg.start, leg.end) for leg in taken]


def fold(race: FinishingRace, score: float) -> list[Decision]:
    """The next fold at full length, each epoch with this score."""
    return run_leg(race, start_next(race), score)


def fail(race: FinishingRace, leg: Leg, kind: str = "exception") -> list[Decision]:
    return race.apply(LegFailed(leg.trial, leg.fold, leg.start, kind, "boom"))


# ---- one fold after another ----


def test_a_trial_done_by_hand_holds_one_slot_and_goes_fold_by_fold() -> None:
    race = race_of(SequentialCV, trials=3, folds=2, max_t=2, fold_order=(1, 0))
    assert legs(race, 2) == [(0, 1, 0, 2), (1, 1, 0, 2)]
    run_leg(race, Leg(1, 1, 0, 2), 0.5)
    assert legs(race, 1) == [(1, 0, 0, 2)]  # the trial that has started comes before the one that has not
    run_leg(race, Leg(0, 1, 0, 2), 0.5)
    assert legs(race, 2) == [(0, 0, 0, 2), (2, 1, 0, 2)]
    assert race.next() is None  # every trial holds its slot
    run_leg(race, Leg(0, 0, 0, 2), 0.5)
    assert states(race) == {0: State.COMPLETE, 1: State.RUNNING, 2: State.RUNNING}


def test_a_sequential_trial_goes_on_with_the_fold_it_lost() -> None:
    race = race_of(SequentialCV, trials=1, folds=2, max_t=3)
    leg = start_next(race)
    epoch(race, leg, 1, 0.5)
    assert race.apply(LegFailed(0, 0, 1, "lost", "gone"))[-1].action is Action.RETRY
    assert legs(race, 1) == [(0, 0, 1, 3)]
    race.apply(Resumed())
    assert legs(race, 1) == [(0, 0, 1, 3)]
    run_leg(race, Leg(0, 0, 1, 3), 0.5)
    run_all(race, lambda trial, fold: 0.5)
    assert states(race) == {0: State.COMPLETE} and race.spent_fold_epochs == race.planned_fold_epochs == 6


# ---- early-stopped cross-validation ----


@pytest.mark.parametrize("mode, sign", [("max", 1), ("min", -1)])
@pytest.mark.parametrize(
    "rule, score, words",
    [
        (Aggressive, 0.59, "mean {} of 1 of 3 folds is worse than {}, the mean of the incumbent, trial 0"),
        (
            Forgiving,
            0.49,
            "mean {} of 1 of 3 folds is worse than {}, the worst fold of the incumbent, trial 0",
        ),
    ],
)
def test_a_trial_stops_after_the_fold_that_brings_its_mean_below_the_incumbent(
    mode: str, sign: int, rule: type[Rule], score: float, words: str
) -> None:
    race = race_of(rule, trials=2, folds=3, max_t=2, mode=mode)
    for value in (0.7, 0.5, 0.6):  # the incumbent: mean 0.6, worst fold 0.5
        fold(race, sign * value)
    decisions = fold(race, sign * score)
    assert [item.action for item in decisions] == [Action.PRUNE, Action.STOP]
    bar = 0.6 if rule is Aggressive else 0.5
    assert decisions[0].reason == words.format(f"{sign * score:.4f}", f"{sign * bar:.4f}")
    assert race.done and states(race) == {0: State.COMPLETE, 1: State.PRUNED}
    assert race.spent_fold_epochs == 4 * 2


def test_forgiving_forgives_what_aggressive_does_not() -> None:
    for rule, second in ((Forgiving, State.COMPLETE), (Aggressive, State.PRUNED)):
        race = race_of(rule, trials=2, folds=2, max_t=1)
        run_all(race, lambda trial, fold: (0.8, 0.4)[fold] if trial == 0 else 0.5)
        assert states(race) == {0: State.COMPLETE, 1: second}


def test_a_mean_is_over_the_folds_so_far_and_the_running_best() -> None:
    race = race_of(Aggressive, trials=2, folds=3, max_t=2)
    for _ in range(3):
        fold(race, 0.6)
    leg = start_next(race)
    epoch(race, leg, 1, 0.9)
    assert epoch(race, leg, 2, 0.1)[-1].action is Action.STOP  # 0.9 stands
    assert states(race)[1] is State.PARKED
    assert fold(race, 0.3)[-1].leg is None and states(race)[1] is State.PARKED  # mean 0.6: not worse
    assert race.status(1).score == pytest.approx(0.6)
    assert (race.status(0).rung, race.status(1).rung) == (2, 1)  # the rung is the number of folds, from 0


def test_the_last_fold_completes_a_trial_whatever_its_mean() -> None:
    race = race_of(Aggressive, trials=2, folds=2, max_t=1)
    for value in (0.6, 0.6, 0.9, 0.0):
        fold(race, value)
    assert states(race) == {0: State.COMPLETE, 1: State.COMPLETE}
    assert [status.trial for status in race.statuses()] == [0, 1]


def test_nobody_stops_before_there_is_an_incumbent_and_the_best_complete_trial_is_it() -> None:
    race = race_of(Aggressive, trials=4, folds=2, max_t=1)
    first, second = start_next(race), start_next(race)
    assert run_leg(race, second, 0.1)[-1].action is Action.STOP and states(race)[1] is State.PARKED
    run_leg(race, first, 0.5)
    fold(race, 0.5)  # trial 0 is complete at 0.5
    fold(race, 0.1)  # trial 1 too, at 0.1: no incumbent
    assert fold(race, 0.4)[0].reason.endswith("worse than 0.5000, the mean of the incumbent, trial 0")
    fold(race, 0.6)
    fold(race, 0.6)
    race.apply(Extended(5))
    assert "0.6000, the mean of the incumbent, trial 3" in fold(race, 0.55)[0].reason


def test_a_stopped_trial_of_a_fold_that_fails_is_no_incumbent() -> None:
    race = race_of(Forgiving, trials=2, folds=2, max_t=1)
    fold(race, 0.9)
    assert fail(race, start_next(race))[0].action is Action.FAIL
    run_all(race, lambda trial, fold: 0.1)
    assert states(race) == {0: State.FAIL, 1: State.COMPLETE}


def test_the_plan_of_early_stopping_counts_records() -> None:
    assert race_of(Aggressive, trials=1, folds=5, max_t=18).planned_fold_epochs == 90
    records = 1 + 1 / 2 + 1 / 3 + 1 / 4
    assert race_of(Aggressive, trials=4, folds=5, max_t=18).planned_fold_epochs == round(
        (4 + 4 * records) * 18
    )
    assert race_of(Forgiving, trials=4, folds=5, max_t=18).planned_fold_epochs == 4 * 5 * 18

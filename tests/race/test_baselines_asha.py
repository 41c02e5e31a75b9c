"""ASHA per fold and on the fold mean: who is compared with whom, and what waits."""

import pytest

from orchestrator.core.events import Action, Leg, LegFailed, State
from orchestrator.race.baselines import FoldMeanASHA, PerFoldASHA, PooledASHA
from tests.support.scenes import epoch, race_of, run_all, run_leg, start_next, states


@pytest.mark.parametrize("rule, stops", [(PerFoldASHA, False), (PooledASHA, True)])
def test_a_hard_fold_is_compared_with_itself_alone(rule: type[PooledASHA], stops: bool) -> None:
    race = race_of(rule, trials=2, folds=2, max_t=9, grace_period=1)
    easy, hard = start_next(race), start_next(race)
    epoch(race, easy, 1, 0.9)
    assert (epoch(race, hard, 1, 0.1)[-1].action is Action.STOP) == stops


def test_a_fold_run_below_the_cut_of_its_fold_stops_and_takes_its_trial_out() -> None:
    race = race_of(PerFoldASHA, trials=3, folds=2, max_t=9, grace_period=1)
    runs = [start_next(race) for _ in range(6)]
    scores = [0.9, 0.1, 0.8, 0.2, 0.95, 0.15]
    actions = [[item.action for item in epoch(race, leg, 1, score)] for leg, score in zip(runs, scores)]  # noqa: B905
    stop, go = [Action.STOP], [Action.CONTINUE]
    # Fold 0: 0.8 is below 0.9. Fold 1: 0.15 is below the 67% percentile 0.1667 of 0.1 and 0.2.
    assert actions == [go, go, [Action.PRUNE, *stop], go, go, [Action.PRUNE, *stop]]
    reason = next(status.reason for status in race.statuses() if status.trial == 2)
    assert reason == "fold 1: 0.1500 at epoch 1 is worse than the cut 0.1667 of 2 entries"
    for number in (2, 3):  # its other fold run goes on, but the trial stands where it was stopped
        assert epoch(race, runs[4], number, 0.99)[-1].action is Action.CONTINUE
    assert (race.status(2).rung, race.status(2).score) == (0, pytest.approx(0.55))


def test_where_a_pooled_trial_stands_is_its_mean_at_its_highest_rung() -> None:
    race = race_of(PerFoldASHA, trials=1, folds=2, max_t=4, grace_period=1)
    first, second = start_next(race), start_next(race)
    epoch(race, first, 1, 0.3)
    assert (race.status(0).rung, race.status(0).score) == (0, 0.3)
    for number in (2, 3):
        epoch(race, first, number, 0.6)
    assert (race.status(0).rung, race.status(0).score) == (1, 0.6)
    epoch(race, second, 1, 0.5)
    assert (race.status(0).rung, race.status(0).score) == (1, 0.6)  # still that of the higher rung
    run_all_from(race, first, 3)
    run_all_from(race, second, 1)
    assert (race.status(0).rung, race.status(0).score) == (2, pytest.approx(0.6))


def run_all_from(race: PooledASHA, leg: Leg, done: int) -> None:
    for number in range(done + 1, leg.end + 1):
        epoch(race, leg, number, 0.6)


# ---- the fold mean ----


def test_folds_wait_for_each_other_and_slots_take_later_trials_meanwhile() -> None:
    race = race_of(FoldMeanASHA, trials=2, folds=2, max_t=9, grace_period=2)
    first, second = start_next(race), start_next(race)
    assert [(leg.trial, leg.fold, leg.start, leg.end) for leg in (first, second)] == [
        (0, 0, 0, 2),
        (0, 1, 0, 2),
    ]
    own = run_leg(race, first, 0.5)[-1]
    assert own.action is Action.PARK and own.reason == "2 epochs done; the slot goes to trial 1 fold 0"
    start_next(race)
    decisions = run_leg(race, second, 0.7)
    assert [item.action for item in decisions] == [Action.PROMOTE, Action.PARK]
    assert decisions[0].reason == "passed epoch 2: all folds go to epoch 6"
    coming = [start_next(race) for _ in range(3)]
    assert [(leg.trial, leg.fold, leg.start, leg.end) for leg in coming] == [
        (0, 0, 2, 6),
        (0, 1, 2, 6),
        (1, 1, 0, 2),
    ]


def test_the_mean_of_that_epoch_decides_not_the_running_best() -> None:
    race = race_of(FoldMeanASHA, trials=2, folds=2, max_t=9, grace_period=2)
    for score in (0.5, 0.7):
        run_leg(race, start_next(race), score)
    trial_0 = [start_next(race), start_next(race)]
    pair = [start_next(race), start_next(race)]
    run_leg(race, pair[0], 0.7)
    epoch(race, pair[1], 1, 0.9)
    decisions = epoch(race, pair[1], 2, 0.4)
    assert [item.action for item in decisions] == [Action.PRUNE, Action.STOP]
    assert decisions[0].reason == "mean 0.5500 of 2 folds at epoch 2 is worse than the cut 0.6000 of 1 entry"
    assert race.status(1).score == pytest.approx(0.8)  # what is shown is the running best, as everywhere
    assert {leg.trial for leg in trial_0} == {0} and states(race)[0] is State.RUNNING


def test_no_hard_fold_prunes_a_trial_whose_mean_is_good() -> None:
    race = race_of(FoldMeanASHA, trials=2, folds=2, max_t=9)
    run_all(race, lambda trial, fold: (0.9, 0.1)[fold] if trial else 0.5)
    assert states(race) == {0: State.COMPLETE, 1: State.COMPLETE}
    assert race.spent_fold_epochs == 36


def test_a_milestone_at_full_length_judges_nobody() -> None:
    race = race_of(FoldMeanASHA, trials=2, folds=1, max_t=3, grace_period=3)
    run_all(race, lambda trial, fold: 0.5 - 0.1 * trial)
    assert states(race) == {0: State.COMPLETE, 1: State.COMPLETE}
    assert race.describe() == "2 trials, all 1 fold in lockstep to 3 epochs"


def test_a_lost_fold_run_holds_its_trial_back_until_it_has_caught_up() -> None:
    race = race_of(FoldMeanASHA, trials=1, folds=2, max_t=9, grace_period=2)
    first, second = start_next(race), start_next(race)
    run_leg(race, first, 0.5)
    epoch(race, second, 1, 0.5)
    race.apply(LegFailed(0, 1, 0, "lost", "gone"))
    again = start_next(race)
    assert (again.fold, again.start, again.end) == (1, 0, 2)
    assert epoch(race, again, 1, 0.5)[-1].action is Action.CONTINUE and race.next() is None
    assert epoch(race, again, 2, 0.5)[0].action is Action.PROMOTE


def test_the_plan_keeps_one_in_three_at_every_milestone() -> None:
    for rule in (PooledASHA, PerFoldASHA, FoldMeanASHA):
        race = race_of(rule, trials=9, folds=5, max_t=18, grace_period=2)
        assert race.planned_fold_epochs == 45 * 2 + 15 * 4 + 5 * 12

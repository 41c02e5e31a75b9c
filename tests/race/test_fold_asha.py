import math

import pytest

from orchestrator.core.events import Action, Extended, Leg, LegFailed, Resumed, State
from orchestrator.race import FoldASHA
from orchestrator.race.ladder import Rung, build_ladder, cost
from tests.support.scenes import epoch, race_of, run_all, run_leg, start, start_next, states


def small(**changes: object) -> FoldASHA:
    """6 trials, 2 folds, 3 epochs: (1 fold, 1 epoch) x 6, then (2 folds, 3 epochs) x 2."""
    numbers = {"trials": 6, "folds": 2, "max_t": 3, "ladder": [(1, 1, 6), (2, 3, 2)], **changes}
    return race_of(FoldASHA, **numbers)


def test_next_asks_and_changes_nothing() -> None:
    race = small()
    assert race.next() == race.next()
    assert race.spent_fold_epochs == 0 and set(states(race).values()) == {State.WAITING}


def test_a_fold_run_at_its_rung_parks_for_the_next_trial() -> None:
    race = small()
    decisions = run_leg(race, start_next(race), 0.9)
    assert [item.action for item in decisions] == [Action.PARK]
    assert states(race)[0] is State.PARKED
    leg = race.next()
    assert leg is not None and (leg.trial, leg.fold, leg.start, leg.end) == (1, 0, 0, 1)


def test_nothing_is_promoted_before_its_place_is_certain() -> None:
    race = small()
    actions = [[item.action for item in run_leg(race, start_next(race), 0.9 - 0.1 * i)] for i in range(5)]
    assert actions[:2] == [[Action.PARK], [Action.PARK]]
    assert actions[2] == [Action.PRUNE, Action.STOP]  # third of three: outside quota 2 whatever comes
    assert actions[3] == [Action.PRUNE, Action.STOP]
    # the fifth of six: the best one is inside even if the last beats it
    assert actions[4] == [Action.PROMOTE, Action.PRUNE, Action.STOP]


PARK, STOP, CONTINUE = [Action.PARK], [Action.PRUNE, Action.STOP], [Action.CONTINUE]


@pytest.mark.parametrize(
    "scores, decisions",
    [
        # In the order of trials, one slot; 2 of 6 go on.
        ([0.9, 0.8, 0.7], [PARK, PARK, STOP]),
        ([0.9, 0.8, 0.7, 0.6], [PARK, PARK, STOP, STOP]),
        ([0.7, 0.8, 0.9], [PARK, PARK, [Action.PRUNE, Action.PARK]]),  # the first of three is outside now
        ([0.5, 0.5, 0.5], [PARK, PARK, STOP]),  # among equals the earlier trial is ahead
        ([0.9, 0.8, 0.7, 0.6, 0.5], [PARK, PARK, STOP, STOP, [Action.PROMOTE, *STOP]]),
        ([0.5, 0.4, 0.3, 0.2, 0.9], [PARK, PARK, STOP, STOP, [Action.PROMOTE, Action.PRUNE, *CONTINUE]]),
    ],
)
def test_first_epochs_and_what_follows_from_each(scores: list[float], decisions: list[list[Action]]) -> None:
    race = small()
    assert [[item.action for item in run_leg(race, start_next(race), score)] for score in scores] == decisions


def test_the_example_of_the_manual() -> None:
    """Beside the docstring of FoldASHA: who is decided about when each first epoch has ended."""
    race, answers = small(), []
    while not race.done:
        leg = start_next(race)
        decisions = run_leg(race, leg, 0.9 - 0.1 * leg.trial)
        answers += [(leg.trial, str(item.action), item.trial) for item in decisions if item.fold is None]
    assert answers == [
        (2, "PRUNE", 2),
        (3, "PRUNE", 3),
        (4, "PROMOTE", 0),
        (4, "PRUNE", 4),
        (0, "COMPLETE", 0),
        (5, "PROMOTE", 1),
        (5, "PRUNE", 5),
        (1, "COMPLETE", 1),
    ]


def test_a_reason_gives_rank_entries_and_quota() -> None:
    race = small()
    for score in (0.9, 0.8, 0.7, 0.6):
        decisions = run_leg(race, start_next(race), score)
    assert decisions[0].reason == (
        "rank 4 of 4 entries at rung 1 (1 fold, 1 epoch), 2 missing: certain outside quota 2"
    )


def test_the_promoted_goes_before_trials_that_wait() -> None:
    race = small()
    for score in (0.9, 0.8, 0.7, 0.6, 0.5):
        run_leg(race, start_next(race), score)
    leg = race.next()
    assert leg is not None and (leg.trial, leg.fold, leg.start, leg.end, leg.speculative) == (
        0,
        0,
        1,
        3,
        False,
    )


def test_the_same_fold_run_goes_on_without_giving_its_slot_away() -> None:
    race = small()
    for score in (0.5, 0.4, 0.3, 0.2):
        run_leg(race, start_next(race), score)
    decisions = run_leg(race, start_next(race), 0.9)
    assert decisions[0].action is Action.PROMOTE and decisions[0].trial == 4
    assert decisions[-1].action is Action.CONTINUE
    assert decisions[-1].leg == race.next()
    assert decisions[-1].leg is not None and decisions[-1].leg.key == (race.next() or decisions[-1].leg).key
    start(race, decisions[-1].leg)
    assert epoch(race, decisions[-1].leg, 2, 0.9)[-1].action is Action.CONTINUE


def test_idle_slots_go_ahead_with_the_likeliest_and_use_no_quota() -> None:
    race = small()
    for score in (0.9, 0.8, 0.7, 0.6):
        run_leg(race, start_next(race), score)
    slow = [start_next(race), start_next(race)]
    guess = start_next(race)
    assert guess.speculative and (guess.trial, guess.end) == (0, 3)
    others = [start_next(race) for _ in range(3)]
    assert {(leg.trial, leg.fold) for leg in others} == {(0, 1), (1, 0), (1, 1)}
    assert race.next() is None  # the quota has no room for a third trial
    run_leg(race, slow[0], 0.95)
    run_leg(race, slow[1], 0.94)
    assert epoch(race, guess, 2, 0.99)[-1].action is Action.STOP  # better now, but it was not promoted
    run_all_rest = [state for state in states(race).values() if state is State.PRUNED]
    assert len(run_all_rest) == 4


def test_two_entries_start_no_guess() -> None:
    race = race_of(FoldASHA, trials=3, folds=1, max_t=2, ladder=[(1, 1, 3), (1, 2, 2)])
    run_leg(race, start_next(race), 0.5)
    start_next(race)
    start_next(race)
    assert race.next() is None


@pytest.mark.parametrize("mode, best", [("max", [5, 4]), ("min", [0, 1])])
def test_the_best_trials_end_with_all_folds(mode: str, best: list[int]) -> None:
    race = small(mode=mode)
    run_all(race, lambda trial, fold: trial + 0.1 * fold)
    complete = [status for status in race.statuses() if status.state is State.COMPLETE]
    assert [status.trial for status in complete] == best
    assert complete[0].score == pytest.approx(best[0] + 0.05)
    assert all(status.folds_complete == 2 for status in complete)
    assert race.spent_fold_epochs == race.planned_fold_epochs == 6 + 2 * 5


def test_the_first_folds_are_those_of_the_fold_order() -> None:
    race = small(fold_order=(1, 0))
    leg = race.next()
    assert leg is not None and leg.fold == 1


def test_a_score_that_is_not_finite_puts_the_trial_out() -> None:
    race = small()
    decisions = epoch(race, start_next(race), 1, math.nan)
    assert [item.action for item in decisions] == [Action.FAIL, Action.STOP]
    assert states(race)[0] is State.FAIL


@pytest.mark.parametrize(
    "kind, tries", [("exception", 0), ("nan", 0), ("killed", 1), ("memory", 2), ("lost", 10)]
)
def test_below_the_top_a_leg_is_retried_the_less_the_more_it_is_its_own_fault(kind: str, tries: int) -> None:
    race = small()
    for _ in range(tries):
        leg = start_next(race)
        assert (leg.trial, leg.fold) == (0, 0)
        assert race.apply(LegFailed(0, 0, 0, kind, "boom"))[-1].action is Action.RETRY
    start_next(race)
    race.apply(LegFailed(0, 0, 0, kind, "boom"))
    assert states(race)[0] is State.FAIL


def test_losses_that_are_nobodys_fault_use_up_no_other_tries() -> None:
    race = small()
    for kind in ("lost", "lost", "killed", "lost", "memory", "memory"):
        leg = start_next(race)
        assert race.apply(LegFailed(leg.trial, leg.fold, 0, kind, "boom"))[-1].action is Action.RETRY, kind
    start_next(race)
    race.apply(LegFailed(0, 0, 0, "killed", "boom"))
    assert states(race)[0] is State.FAIL


def finalist(race: FoldASHA) -> Leg:
    """Trials 0 and 1 are finalists, the others pruned; the first leg of trial 0 as a finalist has started."""
    for trial, leg in enumerate([start_next(race) for _ in range(6)]):
        run_leg(race, leg, 0.9 - 0.1 * trial)
    return start_next(race)


@pytest.mark.parametrize("kind", ["exception", "killed"])
def test_a_finalist_is_retried_from_its_stored_epoch_up_to_max_retries(kind: str) -> None:
    race = small()
    leg = finalist(race)
    epoch(race, leg, 2, 0.9)
    for _ in range(2):
        decisions = race.apply(LegFailed(0, 0, 2, kind, "boom"))
        assert decisions[-1].action is Action.RETRY
        again = start_next(race)
        assert (again.trial, again.fold, again.start, again.end) == (0, 0, 2, 3)
    assert race.apply(LegFailed(0, 0, 2, kind, "boom"))[0].action is Action.FAIL


def test_the_place_of_a_failed_finalist_goes_to_the_best_pruned_trial_from_its_first_epoch() -> None:
    race = small()
    finalist(race)
    assert states(race)[2] is State.PRUNED
    decisions = race.apply(LegFailed(0, 0, 1, "nan", "loss"))
    assert [(item.action, item.trial) for item in decisions] == [(Action.FAIL, 0), (Action.PROMOTE, 2)]
    assert "fills a vacancy" in decisions[1].reason
    run_all(race, lambda trial, fold: 0.9 - 0.1 * trial)
    complete = [status for status in race.statuses() if status.state is State.COMPLETE]
    assert [(status.trial, status.epochs_spent) for status in complete] == [(1, 6), (2, 7)]


def test_failures_at_the_bottom_never_hold_up_the_rung() -> None:
    race = small()
    for trial in range(6):
        leg = start_next(race)
        if trial < 5:
            race.apply(LegFailed(leg.trial, leg.fold, 0, "exception", "boom"))
    run_leg(race, leg, 0.1)
    run_all(race, lambda trial, fold: 0.1)
    assert [state for state in states(race).values() if state is State.COMPLETE] == [State.COMPLETE]


def test_a_race_whose_trials_all_fail_is_done() -> None:
    race = small()
    while not race.done:
        leg = start_next(race)
        race.apply(LegFailed(leg.trial, leg.fold, 0, "nan", "loss"))
    assert set(states(race).values()) == {State.FAIL} and race.next() is None


def test_resume_parks_what_ran_at_its_last_epoch() -> None:
    race = small()
    leg = finalist(race)
    epoch(race, leg, 2, 0.9)
    race.apply(Resumed())
    assert states(race)[0] is State.PARKED
    again = race.next()
    assert again is not None and (again.trial, again.fold, again.start, again.end) == (0, 0, 2, 3)


def test_a_guess_is_no_promise_after_resume() -> None:
    race = small()
    for score in (0.9, 0.8, 0.7, 0.6):
        run_leg(race, start_next(race), score)
    start_next(race), start_next(race), start_next(race)
    race.apply(Resumed())
    leg = race.next()
    assert leg is not None and (leg.trial, leg.speculative) == (4, False)


def test_an_extension_climbs_by_itself_and_its_finalists_meet_the_others() -> None:
    race = small()
    run_all(race, lambda trial, fold: trial)
    assert race.done
    race.apply(Extended(9))
    assert not race.done
    run_all(race, lambda trial, fold: {6: 0, 7: 4.5}.get(trial, trial))
    complete = [status.trial for status in race.statuses() if status.state is State.COMPLETE]
    assert complete == [8, 5, 7, 4]


@pytest.mark.parametrize("trials", [1, 2, 3, 7])
@pytest.mark.parametrize("folds", [1, 2, 5])
@pytest.mark.parametrize("finalists", [1, 3, 9])
@pytest.mark.parametrize("max_t", [1, 4])
def test_no_size_stalls(trials: int, folds: int, finalists: int, max_t: int) -> None:
    race = race_of(FoldASHA, trials=trials, folds=folds, max_t=max_t, finalists=finalists)
    ladder = build_ladder(trials, folds, max_t, 1, 3, finalists)
    run_all(race, lambda trial, fold: 0.5)
    complete = [status for status in race.statuses() if status.state is State.COMPLETE]
    assert len(complete) == (trials if (folds, max_t) == (1, 1) else min(trials, finalists))
    least, most = (
        cost(tuple(Rung(rung.folds, rung.epochs, getattr(rung, bound)) for rung in ladder))
        for bound in ("least", "most")
    )
    assert least <= race.spent_fold_epochs <= most  # all tie: the quotas are as wide as they may be


def test_equal_quotas_do_not_stall() -> None:
    race = race_of(FoldASHA, trials=4, folds=2, max_t=3, ladder=[(1, 1, 4), (1, 2, 4), (2, 2, 4), (2, 3, 4)])
    run_all(race, lambda trial, fold: 0.5)
    assert set(states(race).values()) == {State.COMPLETE}


def test_events_that_cannot_follow_are_refused() -> None:
    race = small()
    leg = start_next(race)
    with pytest.raises(ValueError, match="no leg"):
        start(race, leg)
    with pytest.raises(ValueError, match="reports epoch 2 after 0"):
        epoch(race, leg, 2, 0.5)
    with pytest.raises(ValueError, match="does not run"):
        race.apply(LegFailed(3, 0, 0, "lost", "gone"))
    with pytest.raises(ValueError, match="no trial 9"):
        race.apply(LegFailed(9, 0, 0, "lost", "gone"))
    with pytest.raises(ValueError, match="cannot be extended to 6"):
        race.apply(Extended(6))

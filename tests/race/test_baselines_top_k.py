"""All but the top K after i epochs: who goes on, when, and who fills a vacancy."""

from orchestrator.core.events import Action, BudgetSpent, Decision, Extended, Leg, LegFailed, Shortened, State
from orchestrator.race.baselines import TopKAfterEpochs
from orchestrator.race.finishing import FinishingRace
from tests.support.scenes import epoch, race_of, run_all, run_leg, start_next, states


def legs(race: FinishingRace, slots: int) -> list[tuple[int, int, int, int]]:
    """What `slots` free slots take now."""
    taken = [start_next(race) for _ in range(slots)]
    return [(leg.trial, leg.fold, leg.start, leg.end) for leg in taken]


def fail(race: FinishingRace, leg: Leg, kind: str = "exception") -> list[Decision]:
    return race.apply(LegFailed(leg.trial, leg.fold, leg.start, kind, "boom"))


def top(trials: int, **numbers: int) -> FinishingRace:
    return race_of(
        TopKAfterEpochs,
        **{"folds": 2, "max_t": 5, "grace_period": 2, "finalists": 2, **numbers},
        trials=trials,
    )


def enter(race: FinishingRace, scores: list[float]) -> list[Decision]:
    decisions: list[Decision] = []
    for score in scores:
        decisions = run_leg(race, start_next(race), score)
    return decisions


def test_the_best_go_on_when_the_last_is_in_and_the_others_are_out() -> None:
    race = top(4, folds=3)
    assert race.planned_fold_epochs == 4 * 2 + 2 * (3 * 5 - 2)
    enter(race, [0.1, 0.7, 0.3])
    last = start_next(race)
    assert race.next() is None  # the published form waits
    decisions = run_leg(race, last, 0.5)
    first = [(item.action, item.trial, item.reason) for item in decisions[:4]]
    words = "of 4 after 2 epochs of fold 0, best 2 kept: "
    assert first == [
        (Action.PROMOTE, 1, f"rank 1 {words}goes to the end of all folds"),
        (Action.PROMOTE, 3, f"rank 2 {words}goes to the end of all folds"),
        (Action.PRUNE, 2, f"rank 3 {words}out"),
        (Action.PRUNE, 0, f"rank 4 {words}out"),
    ]
    assert legs(race, 6) == [
        (1, 0, 2, 5),
        (1, 1, 0, 5),
        (1, 2, 0, 5),
        (3, 0, 2, 5),
        (3, 1, 0, 5),
        (3, 2, 0, 5),
    ]
    assert race.next() is None


def test_top_k_spends_exactly_its_plan() -> None:
    race = top(6)
    run_all(race, lambda trial, fold: 0.1 * trial)
    assert race.spent_fold_epochs == race.planned_fold_epochs == 6 * 2 + 2 * 8
    assert [status.trial for status in race.statuses()] == [5, 4, 3, 2, 1, 0]
    assert [trial for trial, state in states(race).items() if state is State.COMPLETE] == [5, 4]


def test_the_running_best_decides_at_the_cut() -> None:
    race = top(2, finalists=1)
    leg = start_next(race)
    epoch(race, leg, 1, 0.9)
    epoch(race, leg, 2, 0.1)
    assert [item.trial for item in enter(race, [0.5])[:2]] == [0, 1]


def test_a_failure_before_the_cut_is_not_waited_for() -> None:
    race = top(3, finalists=1)
    enter(race, [0.2, 0.4])
    decisions = fail(race, start_next(race))
    assert [(item.action, item.trial) for item in decisions] == [
        (Action.FAIL, 2),
        (Action.PROMOTE, 1),
        (Action.PRUNE, 0),
    ]


def test_the_next_best_fills_a_vacancy_from_the_start() -> None:
    race = top(4, finalists=1)
    enter(race, [0.2, 0.4, 0.3, 0.6])
    first, second = start_next(race), start_next(race)
    decisions = fail(race, first)
    assert [(item.action, item.trial) for item in decisions] == [(Action.FAIL, 3), (Action.PROMOTE, 1)]
    assert decisions[1].reason.endswith("fills a vacancy and runs again from the start")
    # The other fold run of the failed trial fails too: that is no second vacancy.
    assert epoch(race, second, 1, float("nan"))[-1].action is Action.STOP
    assert legs(race, 2) == [(1, 0, 0, 5), (1, 1, 0, 5)]
    run_leg(race, Leg(1, 1, 0, 5), 0.4)
    decisions = fail(race, Leg(1, 0, 0, 5))
    assert [(item.action, item.trial) for item in decisions] == [(Action.FAIL, 1), (Action.PROMOTE, 2)]
    run_all(race, lambda trial, fold: 0.3)
    assert states(race) == {0: State.PRUNED, 1: State.FAIL, 2: State.COMPLETE, 3: State.FAIL}


def test_trials_of_an_extension_are_cut_on_their_own() -> None:
    race = top(2, finalists=1)
    run_all(race, lambda trial, fold: 0.9 - 0.1 * trial)
    race.apply(Extended(5))
    assert race.planned_fold_epochs == (2 + 3) * 2 + 2 * 8
    run_all(race, lambda trial, fold: 0.1 * trial)
    assert [trial for trial, state in states(race).items() if state is State.COMPLETE] == [0, 4]


def test_what_remains_is_that_of_the_trials_that_are_left() -> None:
    race = top(3, finalists=1)
    race.apply(Extended(6))
    assert [race.remaining_fold_epochs(trials) for trials in (2, 3, 5)] == [4 + 8, 6 + 8, 6 + 8 + 4 + 8]


def test_who_is_withdrawn_is_not_waited_for() -> None:
    race = top(4, finalists=1)
    enter(race, [0.2, 0.4])
    assert race.remaining_fold_epochs(2) == 2 * 2 + 8 - 4
    decisions = race.apply(Shortened(2))
    assert [(item.action, item.trial) for item in decisions] == [
        *((Action.PRUNE, trial) for trial in (2, 3)),
        (Action.PROMOTE, 1),
        (Action.PRUNE, 0),
    ]


def test_a_budget_spent_before_the_cut_takes_those_ahead_so_far() -> None:
    race = top(4, finalists=1)
    enter(race, [0.2, 0.4, 0.3])
    race.apply(BudgetSpent("the time is up"))
    run_all(race, lambda trial, fold: 0.5)
    assert [trial for trial, state in states(race).items() if state is State.COMPLETE] == [1]


def test_one_fold_and_a_grace_period_of_full_length_leave_nothing_to_run() -> None:
    race = top(3, folds=1, grace_period=5, finalists=1)
    run_all(race, lambda trial, fold: 0.1 * trial)
    assert states(race) == {2: State.COMPLETE, 1: State.PRUNED, 0: State.PRUNED}
    assert race.spent_fold_epochs == race.planned_fold_epochs == 15

"""Failed trials that are in the race again: where they left, beside those that took their places."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.events import (
    Action,
    BudgetSpent,
    Decision,
    LegFailed,
    Reopened,
    Resumed,
    State,
    from_json,
    to_json,
)
from orchestrator.race import RULES, FinishingRace, FoldASHA, RaceConfig, make_race
from tests.support.scenes import Storm, epoch, race_of, run_all, run_leg, snapshot, start_next, states


def small(**changes: object) -> FinishingRace:
    """6 trials, 2 folds, 3 epochs: (1 fold, 1 epoch) x 6, then (2 folds, 3 epochs) x 2."""
    numbers = {"trials": 6, "folds": 2, "max_t": 3, "ladder": [(1, 1, 6), (2, 3, 2)], **changes}
    return race_of(FoldASHA, **numbers)


def score(trial: int, fold: int) -> float:
    return 0.9 - 0.1 * trial


def with_a_failed_finalist() -> FinishingRace:
    """Trial 0, the best, failed after 2 epochs of fold 0; trials 1 and 2 are complete."""
    race = small()
    for trial, leg in enumerate([start_next(race) for _ in range(6)]):
        run_leg(race, leg, score(trial, 0))
    leg = start_next(race)
    assert (leg.trial, leg.end) == (0, 3)
    epoch(race, leg, 2, 0.9)
    race.apply(LegFailed(0, 0, 2, "nan", "loss"))
    run_all(race, score)
    return race


def test_a_finalist_that_failed_goes_on_from_its_stored_epochs_and_takes_nobodys_place() -> None:
    race = with_a_failed_finalist()
    assert race.done and states(race)[0] is State.FAIL and race.epochs_set_aside(0) == [2, 0]
    race.apply(Reopened(0, [2, 0]))
    assert not race.done and states(race)[0] is State.PARKED
    leg = race.next()
    assert leg is not None and (leg.trial, leg.fold, leg.start, leg.end) == (0, 0, 2, 3)
    run_all(race, score)
    complete = [status.trial for status in race.statuses() if status.state is State.COMPLETE]
    assert complete == [0, 1, 2]


def test_where_less_is_intact_it_goes_on_from_there() -> None:
    race = with_a_failed_finalist()
    race.apply(Reopened(0, [1, 0]))
    leg = race.next()
    assert leg is not None and (leg.start, leg.end) == (1, 3)
    run_all(race, score)
    assert states(race)[0] is State.COMPLETE


@pytest.mark.parametrize(
    ("its", "state"), [(0.95, State.COMPLETE), (0.85, State.COMPLETE), (0.5, State.PRUNED)]
)
def test_one_that_failed_before_its_first_entry_goes_as_far_as_its_rank_takes_it(
    its: float, state: State
) -> None:
    """Of five others the best two, 0.9 and 0.8, are complete."""
    race = small()
    first = start_next(race)
    race.apply(LegFailed(first.trial, first.fold, 0, "exception", "boom"))
    run_all(race, lambda trial, fold: 1.0 - 0.1 * trial)
    race.apply(Reopened(0, [0, 0]))
    run_all(race, lambda trial, fold: its)
    assert states(race)[0] is state
    assert sum(found is State.COMPLETE for found in states(race).values()) == 2 + (state is State.COMPLETE)


def test_no_other_pruned_trial_slips_in_with_it() -> None:
    race = small()
    first = start_next(race)
    race.apply(LegFailed(first.trial, first.fold, 0, "exception", "boom"))
    run_all(race, lambda trial, fold: 1.0 - 0.1 * trial)
    before = states(race)
    race.apply(Reopened(0, [0, 0]))
    run_all(race, lambda trial, fold: 0.99)
    assert {trial for trial in before if states(race)[trial] is not before[trial]} == {0}


def test_its_tries_begin_anew() -> None:
    race = with_a_failed_finalist()
    race.apply(Reopened(0, [2, 0]))
    for _ in range(2):
        start_next(race)
        assert race.apply(LegFailed(0, 0, 2, "killed", "x"))[-1].action is Action.RETRY
    start_next(race)
    assert race.apply(LegFailed(0, 0, 2, "killed", "x"))[0].action is Action.FAIL
    assert race.epochs_set_aside(0) == [2, 0]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (Reopened(1, [3, 3]), "trial 1 is COMPLETE: only one that failed is run again"),
        (Reopened(0, [3, 0]), r"cannot go on from epochs \[3, 0\]: it had \[2, 0\]"),
        (Reopened(0, [2]), r"cannot go on from epochs \[2\]"),
        (Reopened(9, [0, 0]), "no trial 9"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(event: Reopened, why: str) -> None:
    race = with_a_failed_finalist()
    before = snapshot(race)
    with pytest.raises(ValueError, match=why):
        race.apply(event)
    assert snapshot(race) == before


def test_after_the_budget_only_finalists_are_run_again() -> None:
    race = small()
    legs = [start_next(race) for _ in range(6)]
    race.apply(LegFailed(5, 0, 0, "exception", "boom"))
    for trial, leg in enumerate(legs[:5]):
        run_leg(race, leg, score(trial, 0))
    race.apply(BudgetSpent("that was it"))
    leg = start_next(race)
    race.apply(LegFailed(leg.trial, leg.fold, 1, "nan", "loss"))
    with pytest.raises(ValueError, match="the budget is spent and only its finalists go on: trial 5 is none"):
        race.apply(Reopened(5, [0, 0]))
    race.apply(Reopened(leg.trial, race.epochs_set_aside(leg.trial)))
    run_all(race, score)
    assert states(race)[leg.trial] is State.COMPLETE


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_takes_a_failed_trial_back_to_the_end_or_says_why_not(name: str) -> None:
    race = make_race(name, RaceConfig(trials=6, folds=3, max_t=4))
    first = start_next(race)
    for failure in ("exception", "exception", "exception"):
        race.apply(LegFailed(first.trial, first.fold, 0, failure, "boom"))
        if states(race)[first.trial] is State.FAIL:
            break
        start_next(race)
    run_all(race, score)
    race.apply(Resumed())
    try:
        race.apply(Reopened(first.trial, race.epochs_set_aside(first.trial)))
    except ValueError as error:
        assert "begin another study with that configuration (--try)" in str(error)
        return
    assert not race.done
    run_all(race, lambda trial, fold: 1.0)
    assert states(race)[first.trial] is State.COMPLETE


def test_a_death_for_memory_that_others_took_costs_no_try() -> None:
    race = small()
    for _ in range(200):
        leg = start_next(race)
        decided = race.apply(LegFailed(leg.trial, leg.fold, 0, "crowded", "others have it"))
        assert decided[-1].action is Action.RETRY and "run again" in decided[-1].reason
    assert states(race)[0] is not State.FAIL


class Retrying(Storm):
    """A storm whose failed trials keep what is stored, and are run again when all is done."""

    rounds = 3

    def run(self) -> None:
        super().run()
        for _ in range(self.rounds):
            self.take(Resumed())
            self._reopen()
            super().run()

    def _reopen(self) -> None:
        folds = range(self.race.book.cfg.folds)
        for trial, state in states(self.race).items():
            if state is State.FAIL and self.rng.random() < 0.7:
                had = self.race.epochs_set_aside(trial)
                assert had == [self.stored.get((trial, fold), 0) for fold in folds]
                kept = [int(self.rng.integers(0, epochs + 1)) for epochs in had]
                self.stored.update({(trial, fold): kept[fold] for fold in folds})
                self._act(self.take(Reopened(trial, kept)), (trial, -1))

    def _act(self, decisions: list[Decision], key: tuple[int, int]) -> None:
        after = [item for item in decisions if states(self.race)[item.trial] is not State.FAIL]
        super()._act(after, key)

    def _forget_the_out(self) -> None:
        for trial, state in states(self.race).items():
            if state is State.PRUNED:
                self._drop(trial)


@pytest.mark.parametrize("rule", ["fold_asha", "exhaustive", "fold_mean_asha"])
@pytest.mark.parametrize("seed", range(8))
def test_storms_whose_failed_trials_are_run_again_end_and_replay(rule: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = {
        "trials": int(rng.integers(2, 16)),
        "folds": int(rng.integers(1, 5)),
        "max_t": int(rng.integers(1, 10)),
        "finalists": int(rng.integers(1, 4)),
    }
    storm = Retrying(make_race(rule, RaceConfig(**numbers)), seed, 3, numbers["trials"], trouble=0.15)
    storm.run()
    out = (State.COMPLETE, State.PRUNED, State.FAIL)
    assert storm.race.done and set(states(storm.race).values()) <= set(out)
    again = make_race(rule, RaceConfig(**numbers))
    for event, shot in zip(storm.events, storm.shots, strict=True):
        again.apply(from_json(to_json(event)))  # type: ignore[arg-type]
        assert snapshot(again) == shot

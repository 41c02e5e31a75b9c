"""Races under any limits, failures and interruptions: they end, complete a trial, keep what was promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.budget import NO_BUDGET, Budget, BudgetController, least_fold_epochs
from orchestrator.core.events import (
    Action,
    BudgetSpent,
    EpochEnded,
    FoldRunKey,
    Leg,
    LegStarted,
    RaceEvent,
    Resumed,
    Shortened,
    State,
    Widened,
    from_json,
    to_json,
)
from orchestrator.race import FinishingRace, RaceConfig, make_race
from orchestrator.race.simulate.simulator import simulate
from orchestrator.race.simulate.synthetic import draw_curves
from tests.budget.test_budget import World, again
from tests.support.scenes import snapshot


class LimitedWorld(World):
    fold_epochs: int | None
    seconds: float
    slowest: float

    def resume(self, budget: Budget) -> None:
        """Another command takes over, as `--resume` does."""
        self.running.clear()
        self.ends.clear()
        told: list[RaceEvent] = [Resumed()]
        if self.race.finalists < self.race.most_finalists and budget.fold_epochs is None:
            told.append(Widened(self.race.most_finalists))
        ahead, began, spent = again(self.race), self.now, bool(self.events_of(BudgetSpent))
        for event in told:
            self.race.apply(event)
        self.events += told
        for event in self.events:
            ahead.apply(event)
        bounds = self.bounds if budget.given else replace(self.bounds, most=self.race.book.runs.trials)
        self.controller = BudgetController(
            self.race, ahead, budget, bounds, self.plan, lambda: self.now - began,
            self.proposed, finishing=spent,
        )  # fmt: skip


def limited_world(name: str, seed: int) -> LimitedWorld:
    """A small race with limits from none at all to more than enough, and trials of different speed."""
    rng = np.random.default_rng(seed)
    trials, folds, max_t = int(rng.integers(2, 24)), int(rng.integers(1, 5)), int(rng.integers(2, 13))
    race = make_race(
        name, RaceConfig(trials=trials, folds=folds, max_t=max_t, finalists=int(rng.integers(1, 5)))
    )
    slots, full = int(rng.integers(1, 6)), folds * max_t
    least = least_fold_epochs(race, World(race, NO_BUDGET, 0).bounds)
    limit = None if rng.random() < 0.5 else least + int(rng.integers(0, full))
    seconds = full * float(rng.choice([0.01, 0.2, 0.5, 1, 2, 5])) * float(rng.uniform(0.7, 1.3)) / slots
    trouble = float(rng.choice([0.0, 0.0, 0.1, 0.3]))
    world = LimitedWorld(race, Budget(limit, seconds), seed, slots, trouble, grows=bool(rng.integers(2)))
    took = rng.uniform(0.5, float(rng.choice([0.6, 2.0, 6.0])), 10_000)
    world.epoch_s = lambda trial: float(took[trial])
    world.fold_epochs, world.seconds, world.slowest = limit, seconds, float(took.max())
    return world


def check_replay(world: World) -> None:
    replayed = again(world.race)
    for event in world.events:
        replayed.apply(from_json(to_json(event)))  # type: ignore[arg-type]
    assert snapshot(replayed) == snapshot(world.race)
    assert replayed.finalists == world.race.finalists


@pytest.mark.parametrize("name", ["fold_asha", "exhaustive", "top_k", "fold_mean_asha"])
def test_whatever_the_limits_a_race_ends_in_time_with_a_trial_complete(name: str) -> None:
    for seed in range(40):
        world = limited_world(name, seed)
        world.run()
        assert world.race.done
        if world.fold_epochs is not None:
            assert world.race.spent_fold_epochs <= world.fold_epochs
        left = [status for status in world.race.statuses() if status.state is not State.FAIL]
        certain = world.fold_epochs is None and name != "fold_mean_asha"  # that one prunes leaders that fail
        if certain and any(status.epochs_spent for status in left):
            assert world.complete >= 1
        if world.completed:
            end = max(world.seconds, world.completed[0])
            assert not [at for at, _ in world.begun if at > end]
            assert world.now <= end + world.slowest
        told = [*world.events_of(Shortened), *world.events_of(BudgetSpent)]
        assert len(told) == len(set(map(repr, told)))
        check_replay(world)


@pytest.mark.parametrize("seed", range(300, 360))
def test_who_takes_the_place_of_the_only_finalist_costs_no_more_than_was_promised(seed: int) -> None:
    rng = np.random.default_rng(seed)
    race = make_race("fold_asha", RaceConfig(trials=9, folds=2, max_t=5, finalists=2))
    limit = 20 + int(rng.integers(0, 6))
    budget = Budget(limit, float(rng.uniform(0, 12)))
    world = World(race, budget, seed, slots=int(rng.integers(1, 5)), trouble=0.25)
    world.epoch_s = lambda trial: 1.0
    world.run()
    assert race.done and race.spent_fold_epochs <= limit
    check_replay(world)


def test_a_trial_whose_first_epoch_still_runs_takes_the_place_of_the_only_finalist() -> None:
    race = make_race("exhaustive", RaceConfig(trials=4, folds=1, max_t=4))
    for trial in (0, 1):
        race.apply(LegStarted(trial, 0, 0, 4))
    race.apply(EpochEnded(1, 0, 1, 0.5))
    race.apply(BudgetSpent("time is over", 1))
    race.apply(EpochEnded(1, 0, 2, float("nan")))
    race.apply(EpochEnded(0, 0, 1, 0.5))
    assert race.state(0) is State.RUNNING and not race.done
    for epoch in (2, 3, 4):
        race.apply(EpochEnded(0, 0, epoch, 0.5))
    assert race.state(0) is State.COMPLETE and race.done


def test_when_time_is_over_a_fold_run_of_another_trial_begins_no_further_epoch() -> None:
    race = make_race("exhaustive", RaceConfig(trials=2, folds=1, max_t=2))
    world = World(race, Budget(seconds=3.0), 0, slots=2)
    for trial in (0, 1):
        world.start(Leg(trial, 0, 0, 2))
    for epoch in (1, 2):
        world.observe(EpochEnded(0, 0, epoch, 0.5, seconds=1.0))
    del world.running[FoldRunKey(0, 0)]
    world.now = 4.0
    decided = world.observe(EpochEnded(1, 0, 1, 0.9, seconds=4.0))
    assert [item.action for item in decided] == [Action.STOP] and race.done
    assert world.events_of(BudgetSpent) == [
        BudgetSpent("4s of --time-budget 3s are over and 1 trial complete", 1)
    ]


def test_a_race_stopped_anywhere_goes_on_with_another_budget_or_none() -> None:
    for seed in range(60):
        world = limited_world("fold_asha", seed)
        stop = int(np.random.default_rng(seed).integers(1, 60))
        world.heed()
        while not world.race.done and len(world.events) < stop:
            while len(world.running) < world.slots and (leg := world.race.next()) is not None:
                world.start(leg)
                world.heed()
            if world.running:
                world.one_thing()
                world.heed()
        good = [event for event in world.events_of(BudgetSpent) if event.finalists is None]  # type: ignore[union-attr]
        seconds = None if seed % 3 == 0 else world.seconds
        world.resume(NO_BUDGET if good else Budget(world.fold_epochs, seconds))
        world.run()
        assert world.race.done
        if world.fold_epochs is not None and not good:
            assert world.race.spent_fold_epochs <= world.fold_epochs
        check_replay(world)


# ---- more finalists again -------------------------------------------------------------------------


def narrowed_at(spent: int, told: Shortened | BudgetSpent) -> tuple[FinishingRace, np.ndarray]:
    """A race of 32 trials that is told so and then runs to its end, and its scores."""
    scores = draw_curves(32, 3, 9, np.random.default_rng(4)).scores

    class Told(FinishingRace):
        def apply(self, event):  # type: ignore[no-untyped-def]
            decisions = super().apply(event)
            if isinstance(event, EpochEnded) and self.spent_fold_epochs == spent:
                super().apply(told)
            return decisions

    race = Told(make_race("fold_asha", RaceConfig(32, 3, 9)).rule)
    simulate(race, scores, 1)
    return race, scores


@pytest.mark.parametrize("told", [Shortened(32, 1), BudgetSpent("time is over", 1)])
@pytest.mark.parametrize("spent", [20, 60])
def test_a_race_with_more_time_has_as_many_finalists_as_were_asked_for(
    told: Shortened | BudgetSpent, spent: int
) -> None:
    race, scores = narrowed_at(spent, told)
    complete = {trial for trial in range(32) if race.state(trial) is State.COMPLETE}
    assert race.done and (race.finalists, race.most_finalists, len(complete)) == (1, 3, 1)
    race.apply(Widened(3))
    assert not race.done and race.finalists == 3
    simulate(race, scores, 1)
    after = {trial for trial in range(32) if race.state(trial) is State.COMPLETE}
    assert race.done and len(after) == 3 and complete < after


def test_no_more_finalists_than_were_asked_for_come_back() -> None:
    race = make_race("fold_asha", RaceConfig(12, 3, 6))
    for wrong in (3, 4):
        with pytest.raises(ValueError, match=f"3 trials are to complete: they cannot become {wrong}"):
            race.apply(Widened(wrong))
    race.apply(LegStarted(0, 0, 0, 1))
    race.apply(EpochEnded(0, 0, 1, 0.5))
    race.apply(BudgetSpent("7 of 7 fold-epochs are spent"))
    with pytest.raises(ValueError, match="the budget is spent"):
        race.apply(Widened(2))


def test_a_custom_ladder_has_its_own_last_quota_again() -> None:
    ladder = ((1, 1, 12), (3, 3, 6), (3, 6, 5))
    race = make_race("fold_asha", RaceConfig(12, 3, 6, finalists=3, ladder=ladder))
    whole = race.planned_fold_epochs
    race.apply(Shortened(12, 1))
    assert race.planned_fold_epochs < whole
    race.apply(Widened(3))
    assert race.planned_fold_epochs == whole


def test_numbers_of_finalists_that_cannot_be_are_refused() -> None:
    for kind in ("shortened", "budget_spent", "widened"):
        more = {"shortened": {"trials": 4}, "budget_spent": {"reason": "over"}, "widened": {}}[kind]
        for wrong in (0, -1, 10**9, "2", 1.5):
            with pytest.raises(ValueError, match="finalists"):
                from_json({"event": kind, **more, "finalists": wrong})
    race = make_race("fold_asha", replace(RaceConfig(12, 3, 6), finalists=1))
    with pytest.raises(ValueError, match="13 trials cannot go on: there are 12"):
        race.apply(BudgetSpent("over", 13))

"""Budgets: what a user may write, what a race is told, and that the promise of fold-epochs is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Self

import numpy as np
import pytest

from orchestrator.budget import (
    NO_BUDGET,
    Bounds,
    Budget,
    BudgetController,
    duration_text,
    least_fold_epochs,
    parse_duration,
)
from orchestrator.budget.pace import EpochSpeed
from orchestrator.core.errors import InputError
from orchestrator.core.events import (
    Action,
    BudgetSpent,
    Decision,
    EpochEnded,
    Extended,
    FoldRunKey,
    Leg,
    LegFailed,
    LegStarted,
    Proposed,
    RaceEvent,
    Shortened,
    State,
    from_json,
    to_json,
)
from orchestrator.core.text import counted
from orchestrator.race import RULES, FinishingRace, RaceConfig, make_race
from tests.support.scenes import race_of, snapshot

# ---- what a user writes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("45m", 2700), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("1d2h3m4s", 93784)],
)
def test_a_duration_is_days_hours_minutes_and_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(duration_text(seconds)) == seconds


def test_a_time_of_less_than_half_a_second_is_not_shown_as_none() -> None:
    assert [duration_text(seconds) for seconds in (0.2, 0.004, 1e-6, 0)] == ["0.2s", "0.004s", "0.001s", "0s"]


@pytest.mark.parametrize("text", ["9" * 400 + "s", "36501d"])
def test_a_time_without_end_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="at most 36500d") as refused:
        parse_duration(text)
    assert len(str(refused.value)) < 200


def test_one_of_a_thing_is_said_as_one() -> None:
    assert [counted(number, "trial") for number in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]
    assert str(Budget(1)) == "1 fold-epoch"


@pytest.mark.parametrize("text", ["", "2", "0s", "h", "-2h", "30m1h", "2 h", "1h30", "2hours", "nan", "1e3s"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=rf"--time-budget {re.escape(text)}: .*90s, 45m, 2h or 1h30m"):
        parse_duration(text)


# ---- a world that asks as the driver does ---------------------------------------------------------


class World:
    """Asks as the driver does. Scores are drawn; epochs that take no time end in any order."""

    def __init__(
        self,
        race: FinishingRace,
        budget: Budget,
        seed: int,
        slots: int = 1,
        trouble: float = 0.0,
        grows: bool = False,
    ) -> None:
        own, trials = race.book.cfg, race.book.runs.trials
        self.race, self.slots, self.trouble = race, slots, trouble
        self.rng = np.random.default_rng(seed)
        self.now = 0.0
        self.epoch_s: Callable[[int], float] = lambda trial: 0.0
        self.ends: dict[FoldRunKey, float] = {}
        self.begun: list[tuple[float, Leg]] = []
        self.ended: list[tuple[float, FoldRunKey]] = []
        self.completed: list[float] = []  # when each complete trial was
        self.events: list[RaceEvent] = []
        self.running: dict[FoldRunKey, Leg] = {}
        self.proposed: set[int] = set()
        most = None if grows else trials
        self.bounds = Bounds(own.finalists, own.folds, own.max_t, slots, trials, trials, most)
        self.controller = BudgetController(
            race, again(race), budget, self.bounds, self.plan, lambda: self.now
        )

    def plan(self, trials: int) -> int:
        return again(self.race, trials).planned_fold_epochs

    def run(self) -> Self:
        self.heed()
        while not self.race.done:
            while len(self.running) < self.slots and (leg := self.race.next()) is not None:
                self.start(leg)
                self.heed()
            if self.running:
                self.one_thing()
                self.heed()
        return self

    def heed(self) -> None:
        while (action := self.controller.now(self.running)) is not None:
            self.observe(action)

    def observe(self, event: RaceEvent) -> list[Decision]:
        sooner = self.controller.before(event, self.running)
        if sooner is not None:
            self.observe(sooner)
        self.events.append(event)
        return self.race.apply(event)

    def start(self, leg: Leg) -> None:
        if leg.trial not in self.proposed:
            self.proposed.add(leg.trial)
            self.observe(Proposed(leg.trial, {}))
        self.observe(LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason))
        self.running[leg.key] = leg
        self.begun.append((self.now, leg))
        self.ends[leg.key] = self.now + self.epoch_s(leg.trial)

    def one_thing(self) -> None:
        first = min(self.ends[key] for key in self.running)
        tied = sorted(key for key in self.running if self.ends[key] == first)
        key, self.now = tied[self.rng.integers(len(tied))], first
        done = self.race.book.runs.get(key.trial, key.fold).epochs
        if self.rng.random() < self.trouble:
            kind = ("exception", "nan", "lost")[self.rng.integers(3)]
            self.observe(LegFailed(key.trial, key.fold, done, kind, "drawn"))
            del self.running[key]
            return
        seconds = self.epoch_s(key.trial)
        self.ends[key] = self.now + seconds
        score = float(self.rng.random()) if self.rng.random() >= self.trouble / 3 else float("nan")
        self.ended.append((self.now, key))
        decided = self.observe(EpochEnded(key.trial, key.fold, done + 1, score, seconds=seconds))
        self.completed += [self.now for item in decided if item.action is Action.COMPLETE]
        own = decided[-1]
        if own.action is not Action.CONTINUE:
            del self.running[key]
        elif own.leg is not None:
            self.start(own.leg)

    @property
    def complete(self) -> int:
        return sum(status.state is State.COMPLETE for status in self.race.statuses())

    def epochs_at(self, seconds: float) -> dict[int, list[int]]:
        """Epochs of each fold that had ended by then, of every trial that had begun."""
        found: dict[int, list[int]] = {}
        for at, key in self.ended:
            folds = found.setdefault(key.trial, [0] * self.bounds.folds)
            folds[key.fold] += at <= seconds
        return found

    def events_of(self, kind: type) -> list[RaceEvent]:
        return [event for event in self.events if isinstance(event, kind)]


def again(race: FinishingRace, trials: int | None = None) -> FinishingRace:
    own = race.book.cfg
    return race_of(
        type(race.rule), trials=trials or own.trials, folds=own.folds, max_t=own.max_t,
        grace_period=own.grace_period, finalists=race.book.most_finalists,
    )  # fmt: skip


class DrawnWorld(World):
    limit: int


def drawn_world(name: str, seed: int, trouble: float) -> DrawnWorld:
    """A small race with a limit from what its finalists take upwards."""
    rng = np.random.default_rng(seed)
    trials, folds, max_t = int(rng.integers(1, 16)), int(rng.integers(1, 5)), int(rng.integers(1, 10))
    finalists, slots = int(rng.integers(1, 4)), int(rng.integers(1, 7))
    race = make_race(name, RaceConfig(trials=trials, folds=folds, max_t=max_t, finalists=finalists))
    least = least_fold_epochs(race, World(race, NO_BUDGET, 0).bounds)
    spare = int(rng.integers(0, max(race.planned_fold_epochs - least, 0) + 20)) * int(rng.integers(3) > 0)
    world = DrawnWorld(race, Budget(least + spare), seed, slots, trouble, grows=bool(rng.integers(2)))
    world.limit = least + spare
    return world


# ---- the promise of fold-epochs -------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("trouble", [0.0, 0.1])
def test_no_rule_ever_spends_more_than_its_limit(name: str, trouble: float) -> None:
    for seed in range(15):
        world = drawn_world(name, seed, trouble)
        world.run()
        assert world.race.spent_fold_epochs <= world.limit
        assert world.race.done


@pytest.mark.parametrize("seed", range(150))
def test_the_finalists_are_complete_within_any_limit_that_is_enough_for_them(seed: int) -> None:
    world = drawn_world("fold_asha", seed, trouble=0.0)
    world.run()
    assert world.complete >= min(world.race.book.cfg.finalists, world.race.book.cfg.trials)


def test_the_three_ways_out_are_all_taken() -> None:
    worlds = [drawn_world("fold_asha", seed, 0.0).run() for seed in range(150)]
    counts = {kind: sum(bool(world.events_of(kind)) for world in worlds) for kind in (Shortened, BudgetSpent)}
    assert all(count >= 2 for count in counts.values())


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_replay_of_the_events_is_the_race_that_wrote_them(name: str) -> None:
    for seed in range(8):
        world = drawn_world(name, seed, 0.05).run()
        replayed = again(world.race)
        for event in world.events:
            replayed.apply(from_json(to_json(event)))  # type: ignore[arg-type]
        assert snapshot(replayed) == snapshot(world.race)


def test_the_least_limit_is_what_all_finalists_take() -> None:
    race = make_race("fold_asha", RaceConfig(trials=9, folds=3, max_t=4, finalists=2))
    assert least_fold_epochs(race, World(race, NO_BUDGET, 0).bounds) == 2 * 3 * 4


def test_with_the_least_limit_the_finalists_are_the_only_trials() -> None:
    race = make_race("fold_asha", RaceConfig(trials=9, folds=3, max_t=4, finalists=2))
    world = World(race, Budget(24), 1, slots=3).run()
    assert (race.spent_fold_epochs, world.complete, len(world.proposed)) == (24, 2, 2)
    assert world.events_of(Shortened) == [Shortened(2)]


# ---- time -----------------------------------------------------------------------------------------


def timed(seconds: float, slots: int, seed: int = 0, spread: float = 1.0, grows: bool = False) -> World:
    """64 trials x 5 folds x 18 epochs (536 fold-epochs planned); an epoch takes 1 to `spread` seconds."""
    race = make_race("fold_asha", RaceConfig(trials=64, folds=5, max_t=18, grace_period=2))
    world = World(race, Budget(seconds=seconds), seed, slots, grows=grows)
    costs = np.random.default_rng(seed).uniform(1.0, spread, 10_000)
    world.epoch_s = lambda trial: float(costs[trial])
    return world.run()


@pytest.mark.parametrize(("spread", "over"), [(1.0, 1.01), (4.0, 1.2)])
@pytest.mark.parametrize("slots", [1, 4])
def test_a_race_ends_within_its_time_with_a_trial_complete(slots: int, spread: float, over: float) -> None:
    """Within 1% where all epochs take the same time; who becomes a finalist late may be slow."""
    for seed in range(6):
        seconds = 0.75 * 536 * (1 + spread) / 2 / slots
        world = timed(seconds, slots, seed, spread)
        assert world.complete >= 1 and len(world.proposed) == 64
        assert 0.6 * seconds < world.now <= over * seconds


def test_a_race_with_time_enough_is_told_nothing() -> None:
    world = timed(10_000.0, 4)
    assert not world.events_of(Shortened) and not world.events_of(BudgetSpent) and len(world.proposed) == 64


def test_a_race_without_a_number_of_trials_goes_on_while_there_is_time() -> None:
    world = timed(2_000.0, 1, grows=True)
    assert world.events_of(Extended) and len(world.proposed) > 128
    assert 1_600 < world.now <= 2_000


@pytest.mark.parametrize(("share", "finalists"), [(2.0, 3), (1.25, 2), (0.7, 1)])
def test_as_many_finalists_are_left_as_the_plan_has_time_for(share: float, finalists: int) -> None:
    world = timed(share * 536 / 2, 2)
    assert world.race.finalists == finalists and len(world.proposed) == 64
    told = [event.finalists for event in world.events if isinstance(event, Shortened)]
    assert told == [2, 1][: 3 - finalists]


def test_trials_are_fewer_only_where_there_is_no_time_for_the_plan_of_a_single_finalist() -> None:
    world = timed(0.4 * 536 / 2, 2)
    assert world.race.finalists == 1 and 4 < len(world.proposed) < 64


def test_no_time_at_all_still_completes_a_trial_and_says_how_long_that_takes() -> None:
    world = timed(1.0, 4)
    assert world.complete == 1 and len(world.proposed) < 64
    (spent,) = world.events_of(BudgetSpent)
    assert spent == BudgetSpent(
        "1s of --time-budget 1s are over and no trial is complete: 90 fold-epochs more complete the best, "
        "in about 27s",
        1,
    )
    assert world.now <= 1 + 27


@pytest.mark.parametrize("seconds", [30.0, 100.0, 250.0])
@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_once_a_trial_is_complete_nothing_begins_after_the_limit(seconds: float, spread: float) -> None:
    for seed in range(2):
        world = timed(seconds, 2, seed, spread, grows=True)
        assert world.complete >= 1
        end = max(seconds, world.completed[0])
        assert not [at for at, _ in world.begun if at > end] and world.now <= end + 4.0  # an epoch under way


def test_where_one_trial_takes_longer_than_the_limit_its_folds_have_a_vote_at_the_limit() -> None:
    """45 s of 2 slots for a trial, and 40 s in all: a quarter chooses, the rest is for the best."""
    world = timed(40.0, 2)
    assert (world.complete, world.race.finalists) == (1, 1)
    epochs = world.epochs_at(40.0)
    assert max(min(folds) for folds in epochs.values()) >= 6
    assert len(epochs) > 2  # trials it was chosen among
    assert world.now < 1.5 * 40


def test_a_trial_that_leads_gets_all_folds_step_by_step() -> None:
    world = timed(1.0, 2)
    after = next(at for at, event in enumerate(world.events) if isinstance(event, BudgetSpent))
    legs = [event for event in world.events[after:] if isinstance(event, LegStarted)]
    assert {leg.trial for leg in legs} == {legs[0].trial}
    assert [leg.end for leg in legs] == sorted(leg.end for leg in legs)
    assert {leg.end for leg in legs} == {1, 3, 6, 12, 18}


def test_the_next_best_starts_again_where_the_only_finalist_fails() -> None:
    world = timed(3.0, 2)
    race = again(world.race)
    for event in world.events[: world.events.index(world.events_of(BudgetSpent)[0]) + 1]:
        race.apply(event)
    leg = race.next()
    assert leg is not None
    race.apply(LegStarted(leg.trial, leg.fold, leg.start, leg.end))
    decided = race.apply(EpochEnded(leg.trial, leg.fold, leg.start + 1, float("nan")))
    assert [item.action for item in decided] == [Action.FAIL, Action.PROMOTE, Action.STOP]
    other = race.next()
    assert other is not None and other.trial == decided[1].trial != leg.trial and not race.done


@pytest.mark.parametrize("name", sorted(RULES))
def test_fewer_finalists_come_again_in_a_replay(name: str) -> None:
    for seed, seconds in enumerate((5.0, 20.0, 30.0, 45.0, 60.0, 90.0)):
        race = make_race(name, RaceConfig(trials=12, folds=3, max_t=6))
        world = World(race, Budget(seconds=seconds), seed, slots=2, trouble=0.03, grows=seed % 2 == 1)
        world.epoch_s = lambda trial: 1.0 + trial % 3
        world.run()
        replayed = again(race)
        for event in world.events:
            replayed.apply(from_json(to_json(event)))  # type: ignore[arg-type]
        assert snapshot(replayed) == snapshot(race) and replayed.finalists == race.finalists


def test_the_promise_of_fold_epochs_is_kept_beside_a_limit_of_time() -> None:
    narrowed = 0
    for seed in range(40):
        race = make_race("fold_asha", RaceConfig(trials=16, folds=3, max_t=6, finalists=3))
        limit = least_fold_epochs(race, World(race, NO_BUDGET, 0).bounds) + seed
        world = World(race, Budget(limit, 10.0 + 2 * seed), seed, slots=1 + seed % 4, trouble=0.02)
        world.epoch_s = lambda trial: 1.0
        world.run()
        assert race.spent_fold_epochs <= limit and race.done
        narrowed += race.finalists < 3
    assert 5 < narrowed < 40


def test_journals_of_before_have_no_number_of_finalists() -> None:
    assert from_json({"event": "shortened", "trials": 4}) == Shortened(4)
    assert from_json({"event": "budget_spent", "reason": "over"}) == BudgetSpent("over")
    for wrong in (-1, 2_000_000, "2", 1.5):
        with pytest.raises(ValueError, match="finalists is"):
            from_json({"event": "shortened", "trials": 4, "finalists": wrong})


def test_a_race_that_gets_more_trials_has_all_its_finalists_again() -> None:
    race = make_race("fold_asha", RaceConfig(trials=12, folds=3, max_t=6))
    race.apply(Shortened(12, 1))
    assert race.finalists == 1 and race.planned_fold_epochs < 12 + 3 * 18
    race.apply(Extended(24))
    assert race.finalists == 3
    with pytest.raises(ValueError, match="cannot become 4"):
        race.apply(Shortened(24, 4))


def test_a_space_in_which_all_fails_is_not_extended_without_end() -> None:
    race = make_race("fold_asha", RaceConfig(trials=4, folds=2, max_t=4, finalists=1))
    world = World(race, Budget(10_000), 0, trouble=1.0, grows=True).run()
    assert race.spent_fold_epochs == 0 and not world.events_of(Extended)


def test_slots_that_come_and_go_are_reckoned_with() -> None:
    """80 epochs of 10 s on 8 slots, seven of which joined late, then one slot alone."""
    now = 0.0
    speed = EpochSpeed(1, lambda: now)
    speed.add(LegStarted(0, 0, 0, 1))
    now = 1.0
    speed.use_slots(8)
    now = 101.0
    for epoch in range(80):
        speed.add(EpochEnded(epoch, 0, 1, 0.5, seconds=10.0))
    assert speed.seconds_for(80, 10) == pytest.approx(80 * 10 / 8 + 10 * 10 * 7 / 8, rel=0.05)
    speed.use_slots(1)
    assert speed.seconds_for(80, 10) == pytest.approx(800, rel=0.05)
    speed.use_slots(0)  # no node is left for a while
    assert speed.seconds_for(80, 10) > 0

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
        own = self.observe(EpochEnded(key.trial, key.fold, done + 1, score, seconds=seconds))[-1]
        if own.action is not Action.CONTINUE:
            del self.running[key]
        elif own.leg is not None:
            self.start(own.leg)

    @property
    def complete(self) -> int:
        return sum(status.state is State.COMPLETE for status in self.race.statuses())

    def events_of(self, kind: type) -> list[RaceEvent]:
        return [event for event in self.events if isinstance(event, kind)]


def again(race: FinishingRace, trials: int | None = None) -> FinishingRace:
    own = race.book.cfg
    return race_of(
        type(race.rule), trials=trials or own.trials, folds=own.folds, max_t=own.max_t,
        grace_period=own.grace_period, finalists=own.finalists,
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
def test_a_race_ends_within_its_time_with_its_finalists_complete(
    slots: int, spread: float, over: float
) -> None:
    """Within 1% where all epochs take the same time; who becomes a finalist late may be slow."""
    for seed in range(6):
        seconds = 0.75 * 536 * (1 + spread) / 2 / slots
        world = timed(seconds, slots, seed, spread)
        assert world.complete == 3
        assert 0.6 * seconds < world.now <= over * seconds


def test_a_race_with_time_enough_is_told_nothing() -> None:
    world = timed(10_000.0, 4)
    assert not world.events_of(Shortened) and not world.events_of(BudgetSpent) and len(world.proposed) == 64


def test_a_race_without_a_number_of_trials_goes_on_while_there_is_time() -> None:
    world = timed(2_000.0, 1, grows=True)
    assert world.events_of(Extended) and len(world.proposed) > 128
    assert 1_600 < world.now <= 2_000


def test_no_time_at_all_still_completes_the_finalists() -> None:
    world = timed(1.0, 4)
    assert world.complete == 3 and len(world.proposed) < 64


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

"""Small scenes the race tests share: a race that is fed by hand, and a world of random interruptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.events import (
    Action,
    Decision,
    EpochEnded,
    Extended,
    Leg,
    LegFailed,
    LegStarted,
    RaceEvent,
    Resumed,
    State,
)
from orchestrator.race import FinishingRace, RaceConfig, make_race
from orchestrator.race.rule import Rule

LADDER = [(1, 2, 64), (1, 6, 20), (2, 12, 7), (5, 18, 3)]


def race_of(rule: type[Rule], **numbers: Any) -> FinishingRace:
    """A race by this rule, as `make_race` makes one by its key."""
    return FinishingRace(rule(RaceConfig(**numbers)))


def big(name: str = "fold_asha", **numbers: Any) -> FinishingRace:
    """64 trials x 5 folds x 18 epochs on the ladder 64-20-7-3."""
    ladder = LADDER if name == "fold_asha" else None
    return make_race(name, RaceConfig(64, 5, 18, grace_period=2, ladder=ladder, **numbers))


def start(race: FinishingRace, leg: Leg) -> None:
    race.apply(LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason))


def start_next(race: FinishingRace) -> Leg:
    leg = race.next()
    assert leg is not None
    start(race, leg)
    return leg


def epoch(race: FinishingRace, leg: Leg, number: int, score: float) -> list[Decision]:
    return race.apply(EpochEnded(leg.trial, leg.fold, number, score))


def run_leg(race: FinishingRace, leg: Leg, score: float) -> list[Decision]:
    """All epochs of a leg that has started, each with the same score; the last epoch's decisions."""
    decisions: list[Decision] = []
    for number in range(leg.start + 1, leg.end + 1):
        decisions = epoch(race, leg, number, score)
        if decisions[-1].action is Action.STOP:
            break
    return decisions


def run_all(race: FinishingRace, score: Callable[[int, int], float]) -> None:
    """One slot to the end; score(trial, fold)."""
    while not race.done:
        leg = start_next(race)
        while (own := run_leg(race, leg, score(leg.trial, leg.fold))[-1]).action is Action.CONTINUE:
            assert own.leg is not None
            leg = own.leg
            start(race, leg)


def states(race: FinishingRace) -> dict[int, State]:
    return {status.trial: status.state for status in race.statuses()}


def snapshot(race: FinishingRace) -> tuple[object, ...]:
    return (race.next(), race.done, race.statuses(), race.spent_fold_epochs, race.planned_fold_epochs)


class Storm:
    """Drives a race in random order on random slots, with failures, resumes and one extension.

    Checks at each step what must always hold, the driver's deletions included: a leg starts from what is
    still stored.
    """

    def __init__(
        self, race: FinishingRace, seed: int, slots: int, trials_at_most: int, trouble: float = 0.06
    ) -> None:
        self.race, self.slots, self.trouble = race, slots, trouble
        self.rng = np.random.default_rng(seed)
        self.scores: NDArray[np.float64] = self.rng.random(
            (trials_at_most, race.book.cfg.folds, race.book.cfg.max_t)
        )
        self.limit = trials_at_most
        self.running: dict[tuple[int, int], Leg] = {}
        self.stored: dict[tuple[int, int], int] = {}
        self.events: list[RaceEvent] = []
        self.shots: list[tuple[object, ...]] = []

    def run(self) -> None:
        while not self.race.done:
            self._fill()
            assert self.running, "nothing runs and the race is not done"
            self._one_thing()

    def take(self, event: RaceEvent) -> list[Decision]:
        decisions = self.race.apply(event)
        self.events.append(event)
        self.shots.append(snapshot(self.race))
        return decisions

    def _fill(self) -> None:
        while len(self.running) < self.slots and (leg := self.race.next()) is not None:
            self._start(leg)

    def _start(self, leg: Leg) -> None:
        key = (leg.trial, leg.fold)
        assert key not in self.running
        if states(self.race)[leg.trial] in (State.PRUNED, State.FAIL):
            self.stored.pop(key, None)  # of a pooled trial that is out, what remains starts over
        assert leg.start == self.stored.get(key, 0) < leg.end
        self.running[key] = leg
        self.take(LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason))

    def _one_thing(self) -> None:
        key = sorted(self.running)[self.rng.integers(len(self.running))]
        drawn = self.rng.random()
        if drawn < self.trouble:
            self._fail(key, ("exception", "nan", "lost")[self.rng.integers(3)])
        elif drawn < 1.2 * self.trouble:
            self.take(Resumed())
            self.running.clear()
            self._forget_the_out()
        elif drawn < 1.3 * self.trouble and self.race.book.runs.trials < self.limit:
            self.take(Extended(self.limit))
        else:
            self._epoch(key)

    def _fail(self, key: tuple[int, int], kind: str) -> None:
        decisions = self.take(LegFailed(*key, self.stored.get(key, 0), kind, "drawn"))
        assert any(item.action in (Action.RETRY, Action.FAIL, Action.STOP) for item in decisions)
        del self.running[key]
        self._act(decisions, key)

    def _epoch(self, key: tuple[int, int]) -> None:
        done = self.stored.get(key, 0) + 1
        leg = self.running[key]
        decisions = self.take(EpochEnded(*key, done, float(self.scores[(*key, done - 1)])))
        self.stored[key] = done
        own = decisions[-1]
        assert (own.trial, own.fold) == key
        verdicts = (Action.CONTINUE, Action.PARK, Action.STOP)
        assert sum(item.action in verdicts for item in decisions) == 1 and own.action in verdicts
        assert all(item.reason for item in decisions)
        if own.action is not Action.CONTINUE:
            del self.running[key]
        if own.leg is not None:
            assert done == leg.end
            del self.running[key]
            self._start(own.leg)
        self._act(decisions, key)

    def _act(self, decisions: list[Decision], key: tuple[int, int]) -> None:
        """Deletes what the driver deletes."""
        for item in decisions:
            if item.action in (Action.PRUNE, Action.FAIL):
                self._drop(item.trial)
            elif item.action is Action.STOP and states(self.race)[item.trial] in (State.PRUNED, State.FAIL):
                self.stored.pop(key, None)

    def _drop(self, trial: int) -> None:
        for fold in range(self.race.book.cfg.folds):
            if (trial, fold) not in self.running:
                self.stored.pop((trial, fold), None)

    def _forget_the_out(self) -> None:
        for trial, state in states(self.race).items():
            if state in (State.PRUNED, State.FAIL):
                self._drop(trial)

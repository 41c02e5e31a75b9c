"""A race in virtual time: the very rules the driver uses, and no model."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.events import Action, Decision, EpochEnded, Leg, LegFailed, LegStarted, RaceEvent
from orchestrator.race.contract import Race

FAILURES = ("exception", "nan", "lost")


@dataclass
class Simulation:
    """What a simulated race did."""

    events: list[RaceEvent] = field(default_factory=list)
    decisions: list[list[Decision]] = field(default_factory=list)  # as many as events
    times: list[float] = field(default_factory=list)  # seconds from the start, of each event
    time: float = 0.0  # seconds from the start to the end: the makespan
    idle: float = 0.0  # seconds that slots had nothing to do, summed over slots
    taken: int = 0  # events, recorded or not
    full: dict[int, set[int]] = field(default_factory=dict)  # trial -> folds at full length, out or not


def simulate(
    race: Race,
    scores: NDArray[np.float64],
    slots: int,
    rng: np.random.Generator | None = None,
    failure_rate: float = 0.0,
    kinds: Sequence[str] = FAILURES,
    until: int | None = None,
    seconds: NDArray[np.float64] | None = None,
    startup: float = 0.0,
    record: bool = True,
) -> Simulation:
    """Runs `race` on `scores` (trials, folds, epochs) to its end, or until `until` events were taken.

    seconds: of each epoch, broadcast to the shape of scores (None: 1). startup: seconds each leg costs before
    its first epoch, unless it continues the fold run its slot has just left. A score that is NaN raised an
    exception in reality: its leg fails there. Each leg fails too, with probability `failure_rate`, the first
    time it is run, at an epoch and in a way (one of `kinds`) drawn from `rng`. record: keep events,
    decisions and their times. Raises RuntimeError when the race stalls.
    """
    if failure_rate and rng is None:
        raise ValueError("failures need an rng")
    lasting = np.broadcast_to(1.0 if seconds is None else seconds, scores.shape)
    failures = _Failures(rng, failure_rate, kinds)
    world = _World(race, scores, lasting, startup, failures, record)
    log = world.log
    while not race.done and (until is None or log.taken < until):
        world.fill(slots)
        if not world.slots:
            raise RuntimeError("the race has nothing to run and is not done")
        log.idle += (slots - len(world.slots)) * (world.slots[0][0] - log.time)
        world.advance()
    return log


class _Failures:
    """Which legs fail, each at most once, after how many epochs and how."""

    def __init__(self, rng: np.random.Generator | None, rate: float, kinds: Sequence[str]) -> None:
        self._rng, self._rate, self._kinds = rng, rate, list(kinds)
        self._drawn: set[tuple[int, int, int]] = set()
        self._coming: dict[tuple[int, int], tuple[int, str]] = {}  # fold run -> (after epoch, kind)

    def draw(self, leg: Leg) -> None:
        name = (leg.trial, leg.fold, leg.end)
        if self._rng is None or not self._rate or name in self._drawn:
            return
        self._drawn.add(name)
        if self._rng.random() < self._rate:
            after = int(self._rng.integers(leg.start, leg.end))
            self._coming[leg.trial, leg.fold] = (after, str(self._rng.choice(self._kinds)))

    def take(self, leg: Leg, done: int) -> str | None:
        """How this leg fails after `done` epochs, or None where it does not."""
        coming = self._coming.get((leg.trial, leg.fold))
        if coming is None or coming[0] != done:
            return None
        del self._coming[leg.trial, leg.fold]
        return coming[1]

    def forget(self, leg: Leg) -> None:
        self._coming.pop((leg.trial, leg.fold), None)


class _World:
    """Slots under way as a heap of (time of the next epoch's end, order of starting, leg, epochs done)."""

    def __init__(
        self,
        race: Race,
        scores: NDArray[np.float64],
        seconds: NDArray[np.float64],
        startup: float,
        failures: _Failures,
        record: bool,
    ) -> None:
        self.log = Simulation()
        self.slots: list[tuple[float, int, Leg, int]] = []
        self._race, self._startup, self._failures, self._record = race, startup, failures, record
        self._scores, self._seconds = scores.tolist(), seconds.tolist()
        self._started = 0

    def fill(self, slots: int) -> None:
        while len(self.slots) < slots and (leg := self._race.next()) is not None:
            self._start(leg, self._startup)

    def advance(self) -> None:
        """One epoch ends, or one leg fails, whichever slot is next."""
        self.log.time, order, leg, done = heapq.heappop(self.slots)
        score = self._scores[leg.trial][leg.fold][done]
        failure = self._failures.take(leg, done) or ("exception" if math.isnan(score) else None)
        if failure is not None:
            self._take(LegFailed(leg.trial, leg.fold, done, failure, "in the simulation"))
            return
        if done + 1 == len(self._scores[leg.trial][leg.fold]):
            self.log.full.setdefault(leg.trial, set()).add(leg.fold)
        own = self._take(EpochEnded(leg.trial, leg.fold, done + 1, score))[-1]
        if own.action is Action.CONTINUE and own.leg is not None:
            self._start(own.leg, 0.0)
        elif own.action is Action.CONTINUE:
            self._push(leg, done + 1, order)
        else:
            self._failures.forget(leg)

    def _start(self, leg: Leg, startup: float) -> None:
        self._take(LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason))
        self._failures.draw(leg)
        self._push(leg, leg.start, self._started, startup)
        self._started += 1

    def _push(self, leg: Leg, done: int, order: int, startup: float = 0.0) -> None:
        end = self.log.time + startup + self._seconds[leg.trial][leg.fold][done]
        heapq.heappush(self.slots, (end, order, leg, done))

    def _take(self, event: RaceEvent) -> list[Decision]:
        decided = self._race.apply(event)
        self.log.taken += 1
        if self._record:
            self.log.events.append(event)
            self.log.decisions.append(decided)
            self.log.times.append(self.log.time)
        return decided

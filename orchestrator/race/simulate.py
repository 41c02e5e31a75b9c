"""A race in virtual time: the same rules, no model. One slot advances one fold by one epoch in one unit."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from orchestrator.trial import Action, Decision, EpochEnded, Leg, LegFailed, LegStarted, Race, RaceEvent

FAILURES = ("exception", "nan", "lost")


@dataclass
class Simulation:
    """What a simulated race did. `time` and `idle` in fold-epochs of one slot."""

    events: list[RaceEvent] = field(default_factory=list)
    decisions: list[list[Decision]] = field(default_factory=list)  # as many as events
    time: int = 0
    idle: int = 0

    def take(self, race: Race, event: RaceEvent) -> list[Decision]:
        decided = race.observe(event)
        self.events.append(event)
        self.decisions.append(decided)
        return decided


def simulate(
    race: Race,
    scores: NDArray[np.float64],
    slots: int,
    rng: np.random.Generator | None = None,
    failure_rate: float = 0.0,
    kinds: Sequence[str] = FAILURES,
    until: int | None = None,
) -> Simulation:
    """Runs `race` on `scores` (trials, folds, epochs) to its end, or until `until` events were taken.

    Each leg fails with probability `failure_rate` the first time it is run, at an epoch and in a way (one of
    `kinds`) drawn from `rng`. Raises RuntimeError when the race stalls.
    """
    if failure_rate and rng is None:
        raise ValueError("failures need an rng")
    world = _World(race, scores, rng, failure_rate, kinds)
    log = world.log
    while not race.done and (until is None or len(log.events) < until):
        world.fill(slots)
        if not world.slots:
            raise RuntimeError("the race has nothing to run and is not done")
        log.idle += (slots - len(world.slots)) * (world.slots[0][0] - log.time)
        world.advance()
    return log


class _World:
    """Slots under way as a heap of (time of the next epoch's end, order of starting, leg, epochs done)."""

    def __init__(
        self,
        race: Race,
        scores: NDArray[np.float64],
        rng: np.random.Generator | None,
        failure_rate: float,
        kinds: Sequence[str],
    ) -> None:
        self.log = Simulation()
        self.slots: list[tuple[int, int, Leg, int]] = []
        self._race, self._scores = race, scores
        self._rng, self._rate, self._kinds = rng, failure_rate, kinds
        self._drawn: set[tuple[int, int, int]] = set()
        self._failing: dict[tuple[int, int], tuple[int, str]] = {}  # fold run -> (after epoch, kind)
        self._started = 0

    def fill(self, slots: int) -> None:
        while len(self.slots) < slots and (leg := self._race.next()) is not None:
            self._start(leg)

    def advance(self) -> None:
        """One epoch ends, or one leg fails, whichever slot is next."""
        self.log.time, order, leg, done = heapq.heappop(self.slots)
        failing = self._failing.get((leg.trial, leg.fold))
        if failing is not None and failing[0] == done:
            del self._failing[leg.trial, leg.fold]
            kind = failing[1]
            self.log.take(self._race, LegFailed(leg.trial, leg.fold, done, kind, "drawn by the simulator"))
            return
        score = float(self._scores[leg.trial, leg.fold, done])
        own = self.log.take(self._race, EpochEnded(leg.trial, leg.fold, done + 1, score))[-1]
        if own.action is Action.CONTINUE and own.leg is not None:
            self._start(own.leg)
        elif own.action is Action.CONTINUE:
            heapq.heappush(self.slots, (self.log.time + 1, order, leg, done + 1))
        else:
            self._failing.pop((leg.trial, leg.fold), None)

    def _start(self, leg: Leg) -> None:
        event = LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason)
        self.log.take(self._race, event)
        self._draw(leg)
        heapq.heappush(self.slots, (self.log.time + 1, self._started, leg, leg.start))
        self._started += 1

    def _draw(self, leg: Leg) -> None:
        name = (leg.trial, leg.fold, leg.end)
        if self._rng is None or name in self._drawn:
            return
        self._drawn.add(name)
        if self._rng.random() < self._rate:
            after = int(self._rng.integers(leg.start, leg.end))
            self._failing[leg.trial, leg.fold] = (after, str(self._rng.choice(list(self._kinds))))

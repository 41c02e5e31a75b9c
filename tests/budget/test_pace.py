"""What is paid once is not foretold for every epoch; what is paid again and again is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.budget.pace import EpochSpeed
from orchestrator.core.events import EpochEnded, Event, FoldRunKey, LegFailed, LegStarted


class Clock:
    """Events at their times, given as a driver gives them."""

    def __init__(self, slots: int) -> None:
        self.now = 0.0
        self.speed = EpochSpeed(slots, lambda: self.now)
        self.running: set[FoldRunKey] = set()

    def at(self, now: float, event: Event) -> None:
        self.now = now
        self.speed.add(event, frozenset(self.running))
        if isinstance(event, LegStarted):
            self.running.add(FoldRunKey(event.trial, event.fold))
        elif isinstance(event, EpochEnded | LegFailed):
            self.running.discard(FoldRunKey(event.trial, event.fold))

    def epoch(self, trial: int, begin: float, end: float, seconds: float) -> None:
        """A leg of one epoch."""
        self.at(begin, LegStarted(trial, 0, 0, 1))
        self.at(end, EpochEnded(trial, 0, 1, 0.5, seconds=seconds))


def recorded() -> Iterator[tuple[float, Event]]:
    """The first seconds of a search with a budget of 119 s on two slots: processes take 6.3 s to start."""
    yield 8.2, LegStarted(0, 1, 0, 1)
    yield 8.2, LegStarted(1, 1, 0, 1)
    yield 15.2, EpochEnded(0, 1, 1, 0.143, seconds=0.6871)
    yield 15.2, LegStarted(2, 1, 0, 1)
    yield 15.3, EpochEnded(1, 1, 1, 0.421, seconds=0.8219)
    yield 15.3, LegStarted(3, 1, 0, 1)
    yield 15.8, EpochEnded(2, 1, 1, 0.289, seconds=0.6198)
    yield 15.8, LegStarted(4, 1, 0, 1)
    yield 16.3, EpochEnded(3, 1, 1, 0.401, seconds=0.9552)


def test_what_processes_take_to_start_is_foretold_for_no_other_epoch() -> None:
    clock = Clock(2)
    for now, event in recorded():
        clock.at(now, event)
    assert clock.speed.knows(119.0)
    assert clock.speed.epoch_s() == pytest.approx(0.75, rel=0.25)
    assert clock.speed.seconds_for(200, 18) < 119.0 - 16.3


def test_before_any_other_epoch_the_first_ones_are_all_there_is_to_go_by() -> None:
    clock = Clock(2)
    for now, event in list(recorded())[:3]:
        clock.at(now, event)
    assert not clock.speed.knows(119.0) and clock.speed.knows(20.0)
    assert clock.speed.epoch_s() == pytest.approx(0.6871)


def test_a_slot_that_still_starts_is_not_counted_as_waiting() -> None:
    clock = Clock(2)
    clock.at(0.0, LegStarted(0, 0, 0, 9))
    clock.at(0.0, LegStarted(1, 0, 0, 9))
    for epoch in range(1, 8):
        clock.at(10.0 + epoch, EpochEnded(0, 0, epoch, 0.5, seconds=1.0))
        clock.running.add(FoldRunKey(0, 0))  # it goes on inside its leg
    assert clock.speed.epoch_s() == pytest.approx(1.0, rel=0.01)


def test_a_slot_added_later_pays_for_its_own_start_alone() -> None:
    clock = Clock(1)
    for number in range(20):
        clock.epoch(number, float(number), number + 1.0, 1.0)
    clock.speed.use_slots(2)
    clock.at(20.0, LegStarted(20, 0, 0, 1))
    clock.at(20.0, LegStarted(21, 0, 0, 1))  # on a machine that has just come
    clock.at(21.0, EpochEnded(20, 0, 1, 0.5, seconds=1.0))
    for number in range(22, 51):
        clock.epoch(number, number - 1.0, float(number), 1.0)
    clock.at(50.0, EpochEnded(21, 0, 1, 0.5, seconds=1.0))  # after 29 s of starting
    assert clock.speed.epoch_s() == pytest.approx(1.0, rel=0.02)


def test_what_is_waited_again_and_again_is_foretold() -> None:
    clock = Clock(1)
    for number in range(40):
        clock.epoch(number, 5.0 * number, 5.0 * number + 4.9, 1.0)  # 3.9 s to load and 0.1 s to save
    assert clock.speed.epoch_s() == pytest.approx(5.0, rel=0.03)


def test_a_process_that_had_to_start_again_is_paid_once_too() -> None:
    clock = Clock(1)
    for number in range(10):
        clock.epoch(number, float(number), number + 1.0, 1.0)
    clock.at(10.0, LegStarted(10, 0, 0, 1))
    clock.at(10.0, LegFailed(10, 0, 0, "killed", "memory"))
    clock.epoch(10, 10.0, 50.0, 1.0)
    for number in range(11, 21):
        clock.epoch(number, number + 39.0, number + 40.0, 1.0)
    assert clock.speed.epoch_s() == pytest.approx(1.0, rel=0.03)

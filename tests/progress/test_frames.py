"""How often the race is asked for its statuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.progress.frames import SHARE, Frames
from orchestrator.progress.state import StudyContext
from tests.progress.test_progress import FakeRace


class _Asked(FakeRace):
    """Counts how often it was asked, each time at a cost."""

    asked = 0
    cost: Callable[[], None] = staticmethod(lambda: None)

    def statuses(self) -> Any:
        self.asked += 1
        self.cost()
        return super().statuses()


@pytest.fixture
def race() -> _Asked:
    return _Asked()


def frames(race: _Asked, timer: Callable[[], float]) -> Frames:
    return Frames(race, StudyContext("age", "macro_f1", "max", 18, 4), 0.0, lambda: 0.0, timer)


def test_asking_takes_a_small_share_of_the_time(race: _Asked) -> None:
    spent = [0.0]
    race.cost = lambda: spent.__setitem__(0, spent[0] + 0.01)  # type: ignore[method-assign]
    shown = frames(race, lambda: spent[0])
    for tenth in range(100):
        shown.at(tenth / 10)
    assert race.asked == 10 / (SHARE * 0.01)


def test_a_machine_that_stood_still_while_it_asked_asks_again_at_once(race: _Asked) -> None:
    shown = frames(race, lambda: 0.0)  # the thread itself did next to nothing
    shown.at(0.0)
    shown.at(3.0)  # three seconds were gone
    assert race.asked == 2

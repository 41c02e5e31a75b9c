"""How often the race is asked for its statuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.progress.frames import AT_ONCE_S, SHARE, Frames
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
    for tenth in range(1, 1001):
        shown.at(tenth / 10)
    most = (AT_ONCE_S + 100 / SHARE) / 0.01
    assert most - 1 <= race.asked <= most + 1


def test_the_last_of_many_events_at_once_is_shown_though_the_first_took_long(race: _Asked) -> None:
    costs = iter([0.05, *[0.0] * 100])
    spent = [0.0]
    race.cost = lambda: spent.__setitem__(0, spent[0] + next(costs))  # type: ignore[method-assign]
    shown = frames(race, lambda: spent[0])
    for _ in range(30):
        shown.at(1.0)
    assert race.asked == 30

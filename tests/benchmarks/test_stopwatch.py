from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.step_profile import line_of
from benchmarks.stopwatch import Stopwatch
from tests.support.drawn_images import classifier, write_dataset
from trainables.losses.objective import Objective

pytestmark = pytest.mark.torch


class Queue:
    """A device's clock: marks are numbers of events, which mean nothing before they were waited for."""

    def __init__(self, seconds: list[float]) -> None:
        self._seconds, self._marks, self._waited = seconds, 0, False

    def mark(self) -> int:
        self._marks += 1
        return self._marks - 1

    def between(self, begin: int, end: int) -> float:
        assert self._waited, "an event was read before the device had come to it"
        return self._seconds[end] - self._seconds[begin]

    def wait(self) -> None:
        self._waited = True


def test_a_part_inside_another_counts_for_itself_alone() -> None:
    clock: Any = Queue([0.0, 1.0, 3.0, 3.5, 4.0, 7.0])  # outer begins, two inner parts, outer ends
    watch = Stopwatch(clock)
    watch.timed("outer", lambda: (watch.timed("inner", lambda: None), watch.timed("inner", lambda: None)))
    assert watch.seconds() == {"inner": 2.0 + 0.5, "outer": 7.0 - 2.5}


def test_an_epochs_parts_are_those_that_it_ran_and_all_is_put_back(tmp_path: Path) -> None:
    trained = classifier(write_dataset(tmp_path))
    before = Objective.loss
    with Stopwatch() as watch:
        trained.run_epoch()
    parts = watch.seconds()
    assert Objective.loss is before
    assert parts.keys() >= {
        "forward",
        "loss",
        "backward",
        "optimizer",
        "validation forward",
        "augmentation",
        "metrics",
    }
    assert all(seconds >= 0 for seconds in parts.values())


def test_a_case_is_one_line_whose_rest_ends_with_what_has_no_name() -> None:
    parts = {"forward": 6.0, "backward": 3.5, "everything else": 0.3, "batches": 0.2}
    found = {"case": "resnet18", "cpus": 1, "wall_s": 10.0, "network_share": 0.95, "parts_s": parts}
    assert line_of(found) == (
        "resnet18          1 cpu  epoch  10.00 s  network  95.0%  rest in %: batches 2.0, everything else 3.0"
    )

"""compile=auto as numbers in, decisions out."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainables.optimisation.compile_choice import (
    REPAID,
    TRIED_FROM_S,
    WARM_STEPS,
    CompileChoice,
    CompileTimes,
    read_times,
    repays,
    times_path,
    worth_a_try,
    write_times,
)
from trainables.parameters import completed

TIMES = CompileTimes(compile_s=40.0, plain_step_s=0.020, compiled_step_s=0.016)


@pytest.mark.parametrize(
    ("times", "steps_left", "expected"),
    [
        (TIMES, 20_000, True),  # 80 s saved for 40 s
        (TIMES, 19_999, False),
        (TIMES, 0, False),
        (CompileTimes(40.0, 0.020, 0.020), 10**9, False),
        (CompileTimes(0.0, 0.020, 0.021), 10**9, False),  # it became slower
        (CompileTimes(0.0, 0.020, 0.019), 1, True),  # compiled before: nothing to pay
    ],
)
def test_compiling_repays_where_it_saves_twice_its_cost(
    times: CompileTimes, steps_left: int, expected: bool
) -> None:
    assert REPAID == 2.0
    assert repays(times, steps_left) is expected


def test_more_steps_never_turn_a_yes_into_a_no() -> None:
    answers = [repays(TIMES, steps) for steps in range(0, 40_000, 1000)]
    assert answers == sorted(answers)


def test_a_first_measurement_needs_ten_minutes_of_training_left() -> None:
    assert worth_a_try(0.02, round(TRIED_FROM_S / 0.02)) and not worth_a_try(0.02, 29_000)


class Device:
    """A clock that steps move on: `plain` seconds each, or `compiled` after a first one that compiles."""

    def __init__(self, plain: float, compiled: float, compile_s: float) -> None:
        self.plain, self.compiled, self.compile_s = plain, compiled, compile_s
        self.now, self.waits = 100.0, 0
        self._is_new = True

    def wait(self) -> None:
        self.waits += 1

    def epochs(self, choice: CompileChoice, number: int, steps: int, all_epochs: int) -> list[bool]:
        chosen = []
        for epoch in range(number):
            chosen.append(choice.begin(steps * (all_epochs - epoch)))
            for step in range(1, steps + 1):
                self.now += self.compiled if chosen[-1] else self.plain
                if chosen[-1] and self._is_new:
                    self.now, self._is_new = self.now + self.compile_s, False
                choice.after_step(step)
            choice.end(steps)
        return chosen


def made(path: Path, device: Device) -> CompileChoice:
    return CompileChoice(path, device.wait, lambda: device.now)


def test_the_first_fold_run_of_a_kind_measures_and_the_next_one_knows(tmp_path: Path) -> None:
    path, device = tmp_path / "deep" / "times.json", Device(0.02, 0.015, 30.0)
    assert device.epochs(made(path, device), 4, 1000, 40) == [False, True, True, True]
    times = read_times(path)
    assert times is not None and times.compile_s == pytest.approx(30.0)
    assert (times.plain_step_s, times.compiled_step_s) == pytest.approx((0.02, 0.015))
    assert device.waits == 2  # one in each measured epoch
    assert device.epochs(made(path, device), 2, 1000, 40) == [True, True]
    assert device.epochs(made(path, device), 2, 1000, 10) == [False, False]  # 10,000 steps save 50 s of 60


def test_a_network_that_compiling_slows_goes_back_to_itself(tmp_path: Path) -> None:
    path, device = tmp_path / "times.json", Device(0.02, 0.03, 30.0)
    assert device.epochs(made(path, device), 4, 1000, 40) == [False, True, False, False]
    assert device.epochs(made(path, device), 1, 1000, 10**6) == [False]


def test_a_short_fold_run_is_never_the_one_that_measures(tmp_path: Path) -> None:
    path, device = tmp_path / "times.json", Device(0.02, 0.015, 30.0)
    assert device.epochs(made(path, device), 4, 1000, 20) == [False] * 4
    assert device.epochs(made(path, device), 4, 2 * WARM_STEPS - 1, 10**6) == [False] * 4  # too few to time
    assert not path.exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"compile_s": 1}', "[]", '{"compile_s": NaN, "plain_step_s": 1, "compiled_step_s": 1}'],
)
def test_what_cannot_be_read_is_measured_again(tmp_path: Path, text: str) -> None:
    path = tmp_path / "times.json"
    path.write_text(text)
    assert read_times(path) is None
    write_times(path, TIMES)
    assert read_times(path) == TIMES


def test_times_are_those_of_what_makes_them_different() -> None:
    def path(device: str = "NVIDIA H200", **config: object) -> Path:
        return times_path("cache", completed(config), device, "2.13.0")

    assert path(lr=0.1, loss="focal", weight_decay=0.1) == path()
    others = [path("NVIDIA L4"), path(batch_size=32), path(sam_rho=0.1), path(backbone="resnet50")]
    assert len({path(), *others}) == 5

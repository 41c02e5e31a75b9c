"""A study beside neighbours that take the memory: deaths that cost nothing, fewer slots, and who it was."""

from __future__ import annotations

import logging

import pytest

from orchestrator.core.events import EpochEnded, FoldRunKey, LegFailed
from orchestrator.execution.memory_pressure import AGAIN_S, GIB, GpuUse
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler
from orchestrator.execution.on_ray.memory_guard import MemoryGuard
from orchestrator.execution.on_ray.slots import Node
from orchestrator.machine.memory import Holder, MemoryReading
from orchestrator.study.study import Study
from tests.core.test_failure_causes import BY_MONITOR, DIED, TORCH
from tests.execution.on_ray.test_leg_scheduler import Seen, scheduler_of
from tests.support.helpers import events

MIB = 2**20
TWO = Node("two", "server", 2)
HOG = (Holder("ho\x1bg", "alice", 17 * GIB), Holder("java", "bob", GIB))


class Machine:
    """A machine as a test sets it."""

    all_here = True

    def __init__(self, room: int) -> None:
        self.time, self.gpu = 0.0, ()
        self.set(room)

    def set(self, room: int, *ours: int, ended: int = 0) -> None:
        self.reading = MemoryReading(24 * GIB, 24 * GIB - room + sum(ours), ours, HOG, (), ended)

    def recent(self, node: Node) -> MemoryReading | None:
        return self.reading

    def now(self, node: Node) -> MemoryReading | None:
        return self.reading

    def gpus(self, node: Node) -> tuple[GpuUse, ...]:
        return self.gpu

    def clock(self) -> float:
        return self.time


@pytest.fixture
def machine() -> Machine:
    return Machine(20 * GIB)


@pytest.fixture
def scheduler(study: Study, machine: Machine) -> LegScheduler:
    made = scheduler_of(study, Seen(TWO), TWO)
    made._memory = MemoryGuard(machine, machine.clock)
    return made


def begin(scheduler: LegScheduler) -> FoldRunKey:
    found = scheduler.next()
    assert found is not None
    return found[0].leg.key


def test_a_neighbours_memory_costs_no_try_and_one_line_says_who_holds_it(
    scheduler: LegScheduler,
    machine: Machine,
    study: Study,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = [begin(scheduler), begin(scheduler)]
    machine.set(100 * MIB, 130 * MIB, 130 * MIB)
    with caplog.at_level(logging.WARNING):
        for key in keys:
            scheduler.lost(key, BY_MONITOR)
    assert [event["failure"] for event in events(study.path, "leg_failed")] == ["crowded", "crowded"]
    assert all("alice 17.0 GiB" in event["error"] for event in events(study.path, "leg_failed"))
    [line] = caplog.messages
    assert "largest of others: ho\\x1bg of alice 17.0 GiB, java of bob 1.0 GiB" in line
    assert (
        line.startswith("node server: the node's memory ran short") and "goes on when there is room" in line
    )
    assert scheduler.next() is None, "no room"
    machine.set(20 * GIB)
    assert begin(scheduler) == keys[0] and begin(scheduler) == keys[1]
    assert {event["start"] for event in events(study.path, "leg_started")} == {0}


def test_it_waits_alone_and_goes_on_with_as_many_as_fit(
    scheduler: LegScheduler, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    key = begin(scheduler)
    machine.set(300 * MIB, 200 * MIB)
    scheduler.report(EpochEnded(key.trial, key.fold, 1, 0.5, seconds=1.0))
    with caplog.at_level(logging.WARNING):
        assert scheduler.next() is None and scheduler.next() is None, "one of two has room"
    [line] = caplog.messages
    assert line.startswith(
        "node server: memory for 1 of 2 fold runs, about 0.2 GiB each; 23.9 GiB of 24.0 GiB"
    )
    assert line.endswith("; the others start when there is room")
    machine.set(500 * MIB, 200 * MIB)
    assert scheduler.next() is not None


def test_a_fold_run_that_ate_what_was_free_fails_in_those_words(
    scheduler: LegScheduler,
    machine: Machine,
    study: Study,
) -> None:
    machine.set(GIB)
    key = begin(scheduler)
    scheduler.lost(key, BY_MONITOR.replace("used=0.13GB", "used=0.9GB"))
    [failed] = events(study.path, "leg_failed")
    assert failed["failure"] == "killed"
    assert failed["error"].endswith("it was alone there and does not fit by itself: make its batches smaller")


def test_a_machine_that_others_had_filled_before_is_not_blamed_on_the_trial(
    scheduler: LegScheduler,
    machine: Machine,
    study: Study,
) -> None:
    machine.set(-GIB)  # above the limit of Ray already
    key = begin(scheduler)
    scheduler.lost(key, BY_MONITOR.replace("used=0.13GB", "used=0.35GB"))
    [failed] = events(study.path, "leg_failed")
    assert failed["failure"] == "crowded" and "alice 17.0 GiB" in failed["error"]


def test_two_that_ray_ends_at_once_were_not_alone(
    scheduler: LegScheduler,
    machine: Machine,
    study: Study,
) -> None:
    machine.set(2 * GIB)
    keys = [begin(scheduler), begin(scheduler)]
    for key in keys:
        scheduler.lost(key, BY_MONITOR.replace("used=0.13GB", "used=1.1GB"))
    assert {event["failure"] for event in events(study.path, "leg_failed")} == {"crowded"}


def test_the_kernels_killer_is_told_by_its_count(
    scheduler: LegScheduler,
    machine: Machine,
    study: Study,
) -> None:
    machine.set(20 * GIB, 130 * MIB)
    key = begin(scheduler)
    machine.set(100 * MIB, 130 * MIB, ended=1)
    scheduler.lost(key, DIED)
    [failed] = events(study.path, "leg_failed")
    assert failed["failure"] == "crowded" and failed["error"].startswith("the kernel ended it for memory; ")


def test_a_death_without_a_word_of_memory_is_the_trials_as_before(
    scheduler: LegScheduler,
    machine: Machine,
    study: Study,
) -> None:
    key = begin(scheduler)
    machine.set(100 * MIB)
    scheduler.lost(key, DIED)
    [failed] = events(study.path, "leg_failed")
    assert (
        failed["failure"] == "killed" and failed["error"] == "its process was ended from outside or crashed"
    )


def test_a_gpu_that_others_hold_costs_no_try_and_is_left_alone_for_a_while(
    scheduler: LegScheduler,
    machine: Machine,
    study: Study,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It held 6.2 of 15.8 GiB, and others 8.1."""
    key = begin(scheduler)
    with caplog.at_level(logging.WARNING):
        scheduler.report(LegFailed(key.trial, key.fold, 0, "exception", TORCH))
    assert events(study.path, "leg_failed")[0]["failure"] == "crowded"
    [line] = caplog.messages
    assert line.startswith(
        "node server: others hold 8.1 GiB of a GPU of 15.8 GiB, of which t0000-f0 had 6.2 GiB"
    )
    assert scheduler.next() is None, "the machine's own memory says nothing of a GPU"
    machine.time = AGAIN_S
    assert begin(scheduler) == key


def test_a_gpu_that_the_fold_run_itself_filled_is_its_failure(
    scheduler: LegScheduler,
    study: Study,
) -> None:
    key = begin(scheduler)
    own = TORCH.replace("this process has 6.20", "this process has 14.0").replace(
        "Process 99 has 8.00", "Process 9 has 0.20"
    )
    scheduler.report(LegFailed(key.trial, key.fold, 0, "exception", own))
    assert events(study.path, "leg_failed")[0]["failure"] == "exception"


@pytest.mark.parametrize(("siblings", "kind"), [(1, "memory"), (0, "crowded")])
def test_what_a_fold_run_beside_it_may_hold_of_a_gpu_is_not_called_others(
    machine: Machine, siblings: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A sibling may be of any size: the next try has the GPU to itself, and that tells."""
    guard, small = MemoryGuard(machine, machine.clock), TORCH.replace("has 6.20", "has 2.00")
    with caplog.at_level(logging.WARNING):
        assert guard.judge_gpu(LegFailed(0, 0, 0, "memory", small), TWO, siblings) == kind
    assert len(caplog.messages) == (kind == "crowded")


def test_a_machine_is_looked_at_though_nothing_starts(
    scheduler: LegScheduler,
    machine: Machine,
    study: Study,
) -> None:
    """What was there shortly before a death tells the kernel's killer from an older count."""
    key = begin(scheduler)
    machine.set(20 * GIB, 130 * MIB, ended=1)  # of somebody else, hours ago
    machine.time = 1000
    scheduler.poll_nodes()
    scheduler.lost(key, DIED)
    assert events(study.path, "leg_failed")[0]["failure"] == "killed"


def test_waiting_alone_ends_with_a_try_though_there_seems_to_be_no_room(
    scheduler: LegScheduler, machine: Machine
) -> None:
    key = begin(scheduler)
    machine.set(20 * MIB)
    scheduler.lost(key, BY_MONITOR)
    assert scheduler.next() is None
    machine.time = AGAIN_S
    assert begin(scheduler) == key


def test_one_that_began_in_what_a_neighbour_left_and_dies_again_is_not_to_blame(
    scheduler: LegScheduler, machine: Machine, study: Study
) -> None:
    """Compared is the most that there ever was for fold runs, not what there was when its leg began."""
    key = begin(scheduler)
    scheduler.report(EpochEnded(key.trial, key.fold, 1, 0.5, seconds=1.0))
    machine.set(300 * MIB, 130 * MIB)
    scheduler.lost(key, BY_MONITOR)
    machine.set(200 * MIB)
    machine.time = 100.0
    assert begin(scheduler) == key
    scheduler.lost(key, BY_MONITOR)
    assert [event["failure"] for event in events(study.path, "leg_failed")] == ["crowded", "crowded"]

"""Large fold runs on a machine with little memory: as many start as will fit once they have grown."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, FoldRunKey
from orchestrator.core.fold_run_cost import CostCase, CostTable, FoldRunCost, MeasuredCost
from orchestrator.execution.driver import Driver
from orchestrator.execution.memory_pressure import FORGETS, GIB, TRUSTED_LOOKS, Expected, GpuUse, NodePressure
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler, new_node_pool
from orchestrator.execution.on_ray.memory_guard import MemoryGuard
from orchestrator.execution.on_ray.slots import Node, ResourceRequest, allocate_slots
from orchestrator.machine.memory import MemoryReading
from orchestrator.race import RaceConfig, make_race
from orchestrator.sampling import RandomSampler
from orchestrator.study.study import Study
from tests.execution.on_ray.test_leg_scheduler import Blind, Seen

MIB = 2**20
EIGHT = Node("eight", "server", 8)
YOUNG = 300 * MIB  # of a process that still imports its libraries


@dataclass
class Growing:
    """A machine whose fold runs hold little when they start and `peak` once they have trained."""

    limit: int
    peak: int
    others: int = 0
    all_here: bool = True
    running: dict[FoldRunKey, bool] = field(default_factory=dict)  # whether it has grown

    def recent(self, node: Node) -> MemoryReading | None:
        ours = tuple(self.peak if grown else YOUNG for grown in self.running.values())
        return MemoryReading(self.limit, self.others + sum(ours), ours)

    def now(self, node: Node) -> MemoryReading | None:
        return self.recent(node)

    def gpus(self, node: Node) -> tuple[GpuUse, ...]:
        return ()

    @property
    def at_peak(self) -> int:
        return self.others + len(self.running) * self.peak


def table_of(resident: int) -> CostTable:
    """Every configuration costs the same, as measured."""
    cost = MeasuredCost(CostCase("all", 1.0), FoldRunCost(resident, 0, 0.1, 100.0))
    return CostTable((cost,), (), {"[]": CostCase("all", 1.0)})


def scheduler_of(study: Study, machine: Growing, costs: CostTable | None) -> LegScheduler:
    race = make_race("exhaustive", RaceConfig(trials=8, folds=2, max_t=2))
    labels, folds = np.zeros(24, np.int64), np.zeros(24, np.int16)
    dataset = Dataset("", ("x",) * 24, labels, folds, ("red", "blue"), "macro_f1", "max", "f", "")
    driver = Driver(race, study, RandomSampler(study.space, 0), dataset, Blind())
    driver._complete = lambda trial: None  # type: ignore[method-assign]  # nothing was stored
    slots = allocate_slots([EIGHT], ResourceRequest())
    guard = MemoryGuard(machine, lambda: 0.0)
    pool = new_node_pool([EIGHT], slots)
    return LegScheduler(driver, pool, Seen(EIGHT), ResourceRequest(), False, guard, costs)


def begin_all(scheduler: LegScheduler, machine: Growing) -> None:
    while (found := scheduler.next()) is not None:
        machine.running[found[0].leg.key] = False


def end_an_epoch(scheduler: LegScheduler, machine: Growing, epochs: dict[FoldRunKey, int]) -> None:
    for key in list(machine.running):
        epochs[key] = epochs.get(key, 0) + 1
        machine.running[key] = True
        if not scheduler.report(EpochEnded(key.trial, key.fold, epochs[key], 0.5, seconds=1.0)):
            del machine.running[key]


@pytest.mark.parametrize(("said", "together"), [(5.0, 4), (5.75, 3), (4.25, 4)])
def test_eight_large_fold_runs_on_24_gb_never_are_more_than_fit(
    study: Study, said: float, together: int
) -> None:
    """Each holds 5 GiB; the probe says so, or 15% more or less."""
    machine = Growing(24 * GIB, 5 * GIB, 3 * GIB)
    scheduler = scheduler_of(study, machine, table_of(int(said * GIB)))
    epochs: dict[FoldRunKey, int] = {}
    most = 0
    for _ in range(100):
        if scheduler.done:
            break
        begin_all(scheduler, machine)
        most = max(most, len(machine.running))
        assert machine.at_peak <= machine.limit
        end_an_epoch(scheduler, machine, epochs)
    assert scheduler.done and len(epochs) == 16, "nothing waits for ever"
    assert most >= together, "and nothing waits without need"


def test_more_than_was_expected_counts_as_soon_as_it_is_seen(study: Study) -> None:
    machine = Growing(24 * GIB, 8 * GIB)
    scheduler = scheduler_of(study, machine, table_of(5 * GIB))
    key = next(iter([scheduler.next()]))
    assert key is not None
    machine.running[key[0].leg.key] = False
    end_an_epoch(scheduler, machine, {})
    begin_all(scheduler, machine)
    assert len(machine.running) == 3


def test_one_larger_than_the_room_is_tried_alone_and_a_line_says_what_to_do(
    study: Study, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Growing(24 * GIB, 5 * GIB)
    scheduler = scheduler_of(study, machine, table_of(30 * GIB))
    with caplog.at_level(logging.WARNING):
        begin_all(scheduler, machine)
    assert len(machine.running) == 1
    assert caplog.messages[0] == (
        "node server: the next fold run is expected to hold 30.0 GiB and there is room for 24.0 GiB; it is "
        "tried alone (smaller batches or images need less)"
    )


def test_less_than_was_expected_is_believed_after_a_while() -> None:
    node, expected = NodePressure(), Expected((4.0 * GIB, 4.0 * GIB), 4.0 * GIB, settled=True)
    for look in range(TRUSTED_LOOKS):
        assert node.demand(2, expected) == 12 * GIB, look
        node.look(10 * GIB, [3 * GIB, 3 * GIB])
        node.has_room(2, 0, expected)
    assert node.demand(2, expected) == pytest.approx(9 * GIB)


def test_a_reading_counts_once_and_one_of_young_fold_runs_never() -> None:
    node, expected = NodePressure(), Expected((4.0 * GIB,), 4.0 * GIB, settled=True)
    node.look(10 * GIB, [GIB])
    for _ in range(3 * TRUSTED_LOOKS):
        node.look(10 * GIB, [GIB], is_new=False)
        assert node.has_room(1, 0, expected)
    assert node.demand(1, expected) == 8 * GIB
    young = Expected((4.0 * GIB,), 4.0 * GIB)
    for _ in range(3 * TRUSTED_LOOKS):
        node.look(10 * GIB, [GIB])
        node.has_room(1, 0, young)
    assert node.demand(1, expected) == 8 * GIB


def test_an_idle_process_is_taken_over_and_not_counted_twice() -> None:
    node, expected = NodePressure(), Expected((2.0 * GIB,), 2.0 * GIB)
    node.look(10 * GIB, [2 * GIB, 2 * GIB])
    assert node.demand(1, expected) == 4 * GIB


def test_what_was_seen_once_is_forgotten_slowly() -> None:
    node, expected = NodePressure(), Expected((1.0 * GIB,), 1.0 * GIB, settled=True)
    node.look(10 * GIB, [2 * GIB])
    node.has_room(1, 0, expected)
    for look in range(1, 2 * TRUSTED_LOOKS):
        node.look(10 * GIB, [GIB])
        node.has_room(1, 0, expected)
        assert node.demand(1, expected) >= 0.999 * 4 * GIB * FORGETS**look

"""Which node takes a leg: nodes that differ, come and go."""

from __future__ import annotations

import pytest

from orchestrator.core.events import FoldRunKey, Leg
from orchestrator.core.trainable import Resources
from orchestrator.execution.on_ray.node_pool import NodePool, Placement
from orchestrator.execution.on_ray.node_speeds import Speeds
from orchestrator.execution.on_ray.slots import Node, NodeSlots, ResourceRequest, allocate_slots, slots_of


def fleet_of(**cpus: int) -> NodePool:
    fleet = NodePool()
    for name, count in cpus.items():
        fleet.admit(Node(name, name, count), NodeSlots(Resources(1, 0.0), count))
    return fleet


def leg(trial: int, start: int = 0, end: int = 10) -> Leg:
    return Leg(trial, 0, start, end)


def sit(fleet: NodePool, given: Leg) -> str:
    place = fleet.place(given)
    assert place is not None
    fleet.sit(given, place)
    return place.node.id


def teach(fleet: NodePool, seconds: dict[str, float]) -> None:
    """Trial 99 has run an epoch on each node."""
    for name, took in seconds.items():
        node = fleet.nodes[name]
        fleet.sit(leg(99), Placement(node, Resources(1, 0.0)))
        fleet.reported(FoldRunKey(99, 0), 1, took)
        fleet.stand_up(FoldRunKey(99, 0))


def test_legs_fill_every_seat_and_no_more() -> None:
    fleet = fleet_of(a=2, b=1)
    assert sorted(sit(fleet, leg(trial)) for trial in range(3)) == ["a", "a", "b"]
    assert fleet.place(leg(3)) is None
    fleet.stand_up(FoldRunKey(1, 0))
    assert fleet.place(leg(3)) is not None


def test_the_fastest_free_node_is_taken_first() -> None:
    fleet = fleet_of(slow=4, fast=2)
    teach(fleet, {"slow": 3.0, "fast": 1.0})
    assert [sit(fleet, leg(trial)) for trial in range(3)] == ["fast", "fast", "slow"]


def test_nodes_that_hardly_differ_leave_a_fold_run_where_its_model_may_still_be() -> None:
    fleet = fleet_of(a=2, b=2)
    teach(fleet, {"a": 1.0, "b": 1.02})
    fleet.sit(leg(7), Placement(fleet.nodes["b"], Resources(1, 0.0)))
    fleet.stand_up(FoldRunKey(7, 0))
    assert sit(fleet, leg(7, 10, 20)) == "b"


def test_a_slow_node_is_told_from_a_large_network() -> None:
    speeds = Speeds()
    for trial, cost in enumerate((1.0, 10.0)):
        for node, factor in (("a", 1.0), ("b", 2.0)):
            if (trial, node) != (1, "b"):  # the large network has run on the fast node alone
                speeds.note(trial, node, cost * factor)
    assert speeds.slowness("b") / speeds.slowness("a") == pytest.approx(2.0, rel=1e-3)
    assert speeds.seconds(1, "b") == pytest.approx(20.0, rel=1e-3)


def test_a_finalists_last_stretch_waits_for_the_faster_node_when_it_ends_sooner_there() -> None:
    fleet = fleet_of(slow=1, fast=1)
    teach(fleet, {"slow": 5.0, "fast": 1.0})
    assert sit(fleet, leg(0, 0, 10)) == "fast"
    fleet.reported(FoldRunKey(0, 0), 8, 1.0)  # two epochs are left there
    last = leg(1, 8, 18)
    assert fleet.place(last) is not None, "another leg takes the slow seat"
    assert fleet.place(last, left=12) is None, "2 + 10 s there, 50 s here"


def test_a_slow_seat_helps_where_much_is_left() -> None:
    """200 epochs on one fast seat take 200 s; 10 of them take 50 s on the slow one meanwhile."""
    fleet = fleet_of(slow=1, fast=1)
    teach(fleet, {"slow": 5.0, "fast": 1.0})
    sit(fleet, leg(0, 0, 10))
    place = fleet.place(leg(1, 8, 18), left=200)
    assert place is not None and place.node.id == "slow"


def test_fold_runs_of_a_node_that_is_gone_go_elsewhere() -> None:
    fleet = fleet_of(a=1, b=1)
    first = sit(fleet, leg(0))
    assert fleet.drop(first) == [FoldRunKey(0, 0)]
    fleet.stand_up(FoldRunKey(0, 0))
    assert sit(fleet, leg(0)) == ({"a", "b"} - {first}).pop()
    assert fleet.slots == 1


def test_a_fold_run_that_needs_a_whole_gpu_keeps_new_shares_off_its_node_until_it_has_begun() -> None:
    fleet = NodePool()
    fleet.admit(Node("a", "a", 8, 1.0), NodeSlots(Resources(2, 0.25), 4))
    fleet.admit(Node("b", "b", 8, 1.0), NodeSlots(Resources(2, 0.25), 4))
    for trial in range(3):
        sit(fleet, leg(trial))
    emptier = min("ab", key=lambda name: sum(fleet.node_of(FoldRunKey(t, 0)) == name for t in range(3)))
    place = fleet.place(leg(9), whole_gpu=True)
    assert place is not None and place.node.id == emptier and place.resources.gpus == 1.0
    fleet.sit(leg(9), place)
    assert {sit(fleet, leg(trial)) for trial in (10, 11)} == ({"a", "b"} - {emptier})
    for trial in range(12):
        if trial != 9:
            fleet.stand_up(FoldRunKey(trial, 0))
    assert fleet.node_of(FoldRunKey(9, 0)) == emptier
    fleet.reported(FoldRunKey(9, 0), 1, 1.0)
    fleet.stand_up(FoldRunKey(9, 0))
    assert sum(fleet.place(leg(20 + seat)) is not None for seat in range(8)) == 8


def test_where_no_gpu_is_shared_none_is_asked_for_whole() -> None:
    """A study that noted a share too small goes on without GPUs, or with whole ones."""
    for gpus in (0.0, 1.0, 2.0):
        fleet = NodePool()
        fleet.admit(Node("a", "a", 4, 4.0), NodeSlots(Resources(1, gpus), 2))
        place = fleet.place(leg(0), whole_gpu=True)
        assert place is not None and place.resources.gpus == gpus


def test_idle_processes_may_keep_a_nodes_seats_unless_a_whole_gpu_is_wanted_there() -> None:
    fleet = NodePool()
    fleet.admit(Node("a", "a", 8, 1.0), NodeSlots(Resources(2, 0.25), 4))
    assert (fleet.seats_for("a", 0.25), fleet.seats_for("a", 1.0), fleet.seats_for("b", 0.25)) == (4, 0, 0)
    place = fleet.place(leg(0), whole_gpu=True)
    assert place is not None
    fleet.sit(leg(0), place)
    assert fleet.seats_for("a", 0.25) == 0
    fleet.reported(FoldRunKey(0, 0), 1, 1.0)
    assert fleet.seats_for("a", 0.25) == 4


# ---- what a node has room for ----------------------------------------------------------------------


def test_gpus_of_different_size_are_shared_differently() -> None:
    nodes = [Node("a", "a", 32, 4.0, "A100"), Node("t", "t", 16, 2.0, "T4"), Node("c", "c", 64)]
    seats = allocate_slots(nodes, ResourceRequest(by_type={"A100": 0.25, "T4": 1.0}))
    assert {name: (found.number, found.resources) for name, found in seats.items()} == {
        "a": (16, Resources(2, 0.25)),
        "t": (2, Resources(8, 1.0)),
    }


def test_each_node_shares_its_own_cpus_and_those_without_a_gpu_are_left_alone() -> None:
    nodes = [Node("a", "a", 64, 4.0), Node("b", "b", 8, 4.0), Node("c", "c", 64)]
    seats = allocate_slots(nodes, ResourceRequest())
    assert {name: (found.number, found.resources.cpus) for name, found in seats.items()} == {
        "a": (4, 16),
        "b": (4, 2),
    }
    assert sum(found.number for found in allocate_slots(nodes, ResourceRequest(gpus=0.0)).values()) == 136


def test_a_late_node_without_gpus_adds_nothing_to_a_study_on_gpus() -> None:
    assert slots_of(Node("late", "late", 64), ResourceRequest(), on_gpus=True).number == 0
    assert slots_of(Node("late", "late", 64, 8.0), ResourceRequest(), on_gpus=False).number == 64

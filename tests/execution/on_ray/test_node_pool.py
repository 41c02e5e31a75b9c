"""Which node takes a leg: nodes that differ, come and go."""

from __future__ import annotations

import pytest

from orchestrator.core.events import FoldRunKey, Leg
from orchestrator.core.trainable import Resources
from orchestrator.execution.on_ray.node_pool import NodePool, Placement
from orchestrator.execution.on_ray.node_speeds import Speeds
from orchestrator.execution.on_ray.slots import Node, NodeSlots, ResourceRequest, allocate_slots, slots_of


def pool_of(**cpus: int) -> NodePool:
    pool = NodePool()
    for name, count in cpus.items():
        pool.admit(Node(name, name, count), NodeSlots(Resources(1, 0.0), count))
    return pool


def whole(node: str) -> int:
    return 99


def leg(trial: int, start: int = 0, end: int = 10) -> Leg:
    return Leg(trial, 0, start, end)


def occupy(pool: NodePool, given: Leg) -> str:
    placement = pool.find(given)
    assert placement is not None
    pool.occupy(given, placement)
    return placement.node.id


def teach(pool: NodePool, seconds: dict[str, float]) -> None:
    """Trial 99 has run an epoch on each node."""
    for name, took in seconds.items():
        node = pool.nodes[name]
        pool.occupy(leg(99), Placement(node, Resources(1, 0.0)))
        pool.reported(FoldRunKey(99, 0), 1, took)
        pool.release(FoldRunKey(99, 0))


def test_legs_fill_every_slot_and_no_more() -> None:
    pool = pool_of(a=2, b=1)
    assert sorted(occupy(pool, leg(trial)) for trial in range(3)) == ["a", "a", "b"]
    assert pool.find(leg(3)) is None
    pool.release(FoldRunKey(1, 0))
    assert pool.find(leg(3)) is not None


def test_who_needs_a_whole_gpu_goes_where_no_process_waits_at_a_part_of_one() -> None:
    """It would wait there for as long as others have that GPU, and keep all others from the node's slots."""
    pool = NodePool()
    for name in "ab":
        pool.admit(Node(name, name, 4, 1.0), NodeSlots(Resources(1, 0.5), 2))
    first = occupy(pool, leg(0))
    pool.hold(FoldRunKey(0, 0))
    alone = pool.find(leg(0), shares=lambda node: 2)
    assert alone is not None and alone.node.id != first
    pool.drop(alone.node.id)
    left = pool.find(leg(0), shares=lambda node: 2)
    assert left is not None and left.node.id == first, "better than nowhere"


def test_two_gpus_of_which_one_is_held_are_less_than_two_free_ones() -> None:
    pool = NodePool()
    for name in "ab":
        pool.admit(Node(name, name, 4, 2.0), NodeSlots(Resources(1, 0.5), 4))
    first = occupy(pool, leg(0))
    pool.hold(FoldRunKey(0, 0))
    found = pool.find(leg(0), shares=lambda node: 2)
    assert found is not None and found.node.id != first, "its parts need not be of one GPU"


def test_the_fastest_free_node_is_taken_first() -> None:
    pool = pool_of(slow=4, fast=2)
    teach(pool, {"slow": 3.0, "fast": 1.0})
    assert [occupy(pool, leg(trial)) for trial in range(3)] == ["fast", "fast", "slow"]


def test_nodes_that_hardly_differ_leave_a_fold_run_where_its_model_may_still_be() -> None:
    pool = pool_of(a=2, b=2)
    teach(pool, {"a": 1.0, "b": 1.02})
    pool.occupy(leg(7), Placement(pool.nodes["b"], Resources(1, 0.0)))
    pool.release(FoldRunKey(7, 0))
    assert occupy(pool, leg(7, 10, 20)) == "b"


def test_a_slow_node_is_told_from_a_large_network() -> None:
    speeds = Speeds()
    for trial, cost in enumerate((1.0, 10.0)):
        for node, factor in (("a", 1.0), ("b", 2.0)):
            if (trial, node) != (1, "b"):  # the large network has run on the fast node alone
                speeds.note(trial, node, cost * factor)
    assert speeds.slowness("b") / speeds.slowness("a") == pytest.approx(2.0, rel=1e-3)
    assert speeds.seconds(1, "b") == pytest.approx(20.0, rel=1e-3)


def test_a_finalists_last_stretch_waits_for_the_faster_node_when_it_ends_sooner_there() -> None:
    pool = pool_of(slow=1, fast=1)
    teach(pool, {"slow": 5.0, "fast": 1.0})
    assert occupy(pool, leg(0, 0, 10)) == "fast"
    pool.reported(FoldRunKey(0, 0), 8, 1.0)  # two epochs are left there
    last = leg(1, 8, 18)
    assert pool.find(last) is not None, "another leg takes the slow slot"
    assert pool.find(last, left=12) is None, "2 + 10 s there, 50 s here"


def test_a_slow_slot_helps_where_much_is_left() -> None:
    """200 epochs on one fast slot take 200 s; 10 of them take 50 s on the slow one meanwhile."""
    pool = pool_of(slow=1, fast=1)
    teach(pool, {"slow": 5.0, "fast": 1.0})
    occupy(pool, leg(0, 0, 10))
    placement = pool.find(leg(1, 8, 18), left=200)
    assert placement is not None and placement.node.id == "slow"


def test_fold_runs_of_a_node_that_is_gone_go_elsewhere() -> None:
    pool = pool_of(a=1, b=1)
    first = occupy(pool, leg(0))
    assert pool.drop(first) == [FoldRunKey(0, 0)]
    pool.release(FoldRunKey(0, 0))
    assert occupy(pool, leg(0)) == ({"a", "b"} - {first}).pop()
    assert pool.slots == 1


def test_no_part_of_a_gpu_is_handed_out_on_a_node_where_a_fold_run_waits_for_a_whole_one() -> None:
    pool = NodePool()
    pool.admit(Node("a", "a", 8, 1.0), NodeSlots(Resources(2, 0.25), 4))
    pool.admit(Node("b", "b", 8, 1.0), NodeSlots(Resources(2, 0.25), 4))
    for trial in range(3):
        occupy(pool, leg(trial))
    emptier = min("ab", key=lambda name: sum(pool.node_of(FoldRunKey(t, 0)) == name for t in range(3)))
    placement = pool.find(leg(9), whole)
    assert placement is not None and placement.node.id == emptier and placement.resources.gpus == 1.0
    pool.occupy(leg(9), placement)
    assert {occupy(pool, leg(trial)) for trial in (10, 11)} == ({"a", "b"} - {emptier})
    for trial in range(12):
        if trial != 9:
            pool.release(FoldRunKey(trial, 0))
    assert pool.node_of(FoldRunKey(9, 0)) == emptier
    pool.reported(FoldRunKey(9, 0), 1, 1.0)
    pool.release(FoldRunKey(9, 0))
    assert sum(pool.find(leg(20 + slot)) is not None for slot in range(8)) == 8


def test_siblings_share_a_gpu_and_one_that_has_it_to_itself_has_none() -> None:
    pool = NodePool()
    pool.admit(Node("a", "a", 8, 2.0), NodeSlots(Resources(2, 0.5), 4))
    occupy(pool, leg(0))
    assert pool.siblings(FoldRunKey(0, 0)) == 0
    occupy(pool, leg(1))
    assert pool.siblings(FoldRunKey(0, 0)) == 1, "it may be on the other GPU"
    placement = pool.find(leg(2), whole)
    assert placement is not None
    pool.occupy(leg(2), placement)
    assert pool.siblings(FoldRunKey(2, 0)) == 0


def test_where_no_gpu_is_shared_none_is_asked_for_whole() -> None:
    """A study that noted a share too small goes on without GPUs, or with whole ones."""
    for gpus in (0.0, 1.0, 2.0):
        pool = NodePool()
        pool.admit(Node("a", "a", 4, 4.0), NodeSlots(Resources(1, gpus), 2))
        placement = pool.find(leg(0), whole)
        assert placement is not None and placement.resources.gpus == gpus


def test_idle_processes_may_keep_a_nodes_slots_unless_an_exclusive_gpu_is_wanted_there() -> None:
    pool = NodePool()
    pool.admit(Node("a", "a", 8, 1.0), NodeSlots(Resources(2, 0.25), 4))
    assert (pool.slots_for("a", 0.25), pool.slots_for("a", 1.0), pool.slots_for("b", 0.25)) == (4, 0, 0)
    placement = pool.find(leg(0), whole)
    assert placement is not None
    pool.occupy(leg(0), placement)
    assert pool.slots_for("a", 0.25) == 0
    pool.reported(FoldRunKey(0, 0), 1, 1.0)
    assert pool.slots_for("a", 0.25) == 4


# ---- what a node has room for ----------------------------------------------------------------------


def test_gpus_of_different_size_are_shared_differently() -> None:
    nodes = [Node("a", "a", 32, 4.0, "A100"), Node("t", "t", 16, 2.0, "T4"), Node("c", "c", 64)]
    slots = allocate_slots(nodes, ResourceRequest(by_type={"A100": 0.25, "T4": 1.0}))
    assert {name: (found.number, found.resources) for name, found in slots.items()} == {
        "a": (16, Resources(2, 0.25)),
        "t": (2, Resources(8, 1.0)),
    }


def test_each_node_shares_its_own_cpus_and_those_without_a_gpu_are_left_alone() -> None:
    nodes = [Node("a", "a", 64, 4.0), Node("b", "b", 8, 4.0), Node("c", "c", 64)]
    slots = allocate_slots(nodes, ResourceRequest())
    assert {name: (found.number, found.resources.cpus) for name, found in slots.items()} == {
        "a": (4, 16),
        "b": (4, 2),
    }
    assert sum(found.number for found in allocate_slots(nodes, ResourceRequest(gpus=0.0)).values()) == 136


def test_a_late_node_without_gpus_adds_nothing_to_a_study_on_gpus() -> None:
    assert slots_of(Node("late", "late", 64), ResourceRequest(), on_gpus=True).number == 0
    assert slots_of(Node("late", "late", 64, 8.0), ResourceRequest(), on_gpus=False).number == 64


def test_a_node_without_memory_for_one_more_keeps_what_it_has_and_takes_nothing() -> None:
    pool = pool_of(a=2, b=2)
    teach(pool, {"a": 1.0, "b": 2.0})
    assert occupy(pool, leg(0)) == "a"
    pool.mark_full(["a"])
    assert [occupy(pool, leg(trial)) for trial in (1, 2)] == ["b", "b"] and pool.find(leg(3)) is None
    assert (pool.usable_slots, pool.slots) == (3, 4)
    assert pool.slots_for("a", 0.0) == 1, "its process stays warm for the next leg, an idle one goes"
    pool.release(FoldRunKey(0, 0))
    assert occupy(pool, leg(3)) == "a", "as many as there were"
    pool.mark_full([])
    assert occupy(pool, leg(4)) == "a"


def test_nobody_waits_for_a_faster_node_that_has_no_memory_for_it() -> None:
    pool = pool_of(slow=1, fast=1)
    teach(pool, {"slow": 5.0, "fast": 1.0})
    last = leg(1, 8, 18)
    assert pool.find(last, left=12) == Placement(pool.nodes["fast"], Resources(1, 0.0))
    pool.mark_full(["fast"])
    assert pool.find(last, left=12) == Placement(pool.nodes["slow"], Resources(1, 0.0))
    assert pool.usable_slots == 2, "never below one: it may have room when it is its turn"

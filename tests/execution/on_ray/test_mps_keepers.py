"""The MPS daemons of a search: one on each node that shares its GPUs, and whose fault a fault is there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from orchestrator.core.events import LegFailed
from orchestrator.execution.on_ray import mps_keepers
from orchestrator.execution.on_ray.mps_keepers import MpsKeepers, NodeDaemon
from orchestrator.execution.on_ray.slots import Node, ResourceRequest, allocate_slots
from orchestrator.machine.mps import PIPES
from orchestrator.study.study import Study
from tests.execution.on_ray.test_leg_scheduler import Seen, scheduler_of
from tests.machine.test_mps import daemon_of, ends, is_there
from tests.machine.test_mps import machine as machine  # a machine with drawn programs
from tests.support.helpers import events

NODES = [Node("a", "server-a", 8, 1.0), Node("b", "server-b", 8, 1.0), Node("c", "server-c", 8, 1.0)]
FAULT = "AcceleratorError: CUDA error: device-side assert triggered"


def test_a_node_keeps_its_daemon_until_it_is_told_to_stop(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though Ray hides all GPUs from a process that asked for none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    kept = NodeDaemon()
    environment = kept.start()
    assert isinstance(environment, dict)
    daemon = daemon_of(environment)
    assert is_there(daemon)
    kept.stop()
    assert ends(daemon)


def test_a_node_says_why_it_has_none(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PIPES, "/tmp/mine")
    assert NodeDaemon().start() == f"{PIPES} is set, so that a daemon of yours is used"


@pytest.fixture
def actors(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What each node's actor was asked; nodes b and c have no daemon."""
    asked: dict[str, list[str]] = {}
    answers: dict[str, Any] = {"a": {PIPES: "/p"}, "b": "it is not installed", "c": "it is not installed"}

    class Actor:
        def __init__(self, node: str) -> None:
            self.node = node
            self.start = SimpleNamespace(remote=lambda: self.call("start") or answers[node])
            self.stop = SimpleNamespace(remote=lambda: self.call("stop"))

        def call(self, what: str) -> None:
            asked.setdefault(self.node, []).append(what)

    def options(scheduling_strategy: Any) -> Any:
        return SimpleNamespace(remote=lambda: Actor(scheduling_strategy.node_id))

    monkeypatch.setattr(
        mps_keepers, "NodeAffinitySchedulingStrategy", lambda node, soft: SimpleNamespace(node_id=node)
    )
    monkeypatch.setattr(mps_keepers, "_Keeper", SimpleNamespace(options=options))
    monkeypatch.setattr(ray, "wait", lambda refs, **how: (refs, []))
    monkeypatch.setattr(ray, "get", lambda answer, timeout: answer)
    monkeypatch.setattr(ray, "kill", lambda actor: actor.call("kill"))
    return asked


def test_each_node_is_asked_and_those_without_one_are_said_with_their_reason(
    actors: dict[str, list[str]],
) -> None:
    keepers, said = MpsKeepers(), []
    keepers.start(NODES)
    assert keepers.environments == {"a": {PIPES: "/p"}}
    keepers.say_where_not(NODES, said.append)
    assert said == [
        "MPS is not used on server-b, server-c, so that fold runs take turns on a GPU: it is not installed"
    ]
    keepers.say_where_not(NODES[:1], said.append)
    keepers.say_where_not(NODES[1:], said.append)
    assert said[1:] == ["MPS is not used, so that fold runs take turns on a GPU: it is not installed"]
    keepers.stop()
    assert actors == {name: ["start", "stop", "kill"] for name in "abc"} and not keepers.environments


def test_a_fault_beside_others_that_share_the_daemon_is_nobodys_and_alone_its_own(study: Study) -> None:
    """The fault of one ends all of them, and CUDA does not say whose it was."""
    scheduler = scheduler_of(study, Seen(NODES[0]), NODES[0])
    request = ResourceRequest(0.5)
    scheduler._pool.admit(NODES[0], allocate_slots(NODES[:1], request)["a"])
    scheduler._environments = {"a": {PIPES: "/p"}}
    begun = [scheduler.next(), scheduler.next()]
    for found in begun:
        assert found is not None and found[1].resources.gpus == 0.5
    for found in begun:
        assert found is not None
        leg = found[0].leg
        scheduler.report(LegFailed(leg.trial, leg.fold, 0, "exception", FAULT))
    again = scheduler.next()
    assert again is not None and again[1].resources.gpus == 1.0, "to itself: there it shows"
    scheduler.ready(again[0].leg.key)
    scheduler.report(LegFailed(again[0].leg.trial, again[0].leg.fold, 0, "exception", FAULT))
    kinds = [event["failure"] for event in events(study.path, "leg_failed")]
    assert kinds == ["memory", "memory", "exception"]


def test_without_a_daemon_a_fault_is_its_own(study: Study) -> None:
    scheduler = scheduler_of(study, Seen(NODES[0]), NODES[0])
    scheduler._pool.admit(NODES[0], allocate_slots(NODES[:1], ResourceRequest(0.5))["a"])
    found = scheduler.next()
    assert found is not None and scheduler.next() is not None
    scheduler.report(LegFailed(found[0].leg.trial, found[0].leg.fold, 0, "exception", FAULT))
    assert events(study.path, "leg_failed")[0]["failure"] == "exception"

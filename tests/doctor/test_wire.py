"""What doctors and servers of different versions ask each other: 0.1 uses these names."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from orchestrator.doctor import probe
from orchestrator.execution.on_ray import list_nodes
from orchestrator.machine.node_facts import NodeFacts
from tests.machine.test_node_facts import HEAD

ROOT = Path(__file__).parents[2]
FACTS_OF_0_1 = [
    "host",
    "python",
    "executable",
    "versions",
    "sources",
    "memory_bytes",
    "memory_free_bytes",
    "shm_bytes",
    "shm_free_bytes",
    "temp",
    "temp_free_bytes",
    "runs",
    "runs_free_bytes",
    "gpus",
    "driver",
    "cuda",
    "gpu_problem",
    "time",
]
NODE_OF_0_1 = ["address", "host", "alive", "head", "cpus", "gpus", "reason"]


def test_a_server_of_any_version_is_asked_by_the_names_that_0_1_has() -> None:
    assert (probe.FACTS, probe.LIST_NODES) == ("orchestrator.node_facts", "orchestrator.execution.joined")


def test_a_doctor_of_0_1_gets_its_facts_from_this_version() -> None:
    command = [sys.executable, "-m", "orchestrator.node_facts", "--trainable", "trainables"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert set(FACTS_OF_0_1) <= set(json.loads(done.stdout))


def test_facts_of_a_server_of_0_1_are_read() -> None:
    record = {name: HEAD.to_json()[name] for name in FACTS_OF_0_1}
    assert NodeFacts.from_json(record) == HEAD
    needed = {item.name for item in fields(NodeFacts) if item.default is item.default_factory is MISSING}
    assert needed <= set(FACTS_OF_0_1)


def test_nodes_are_listed_with_the_keys_that_a_doctor_of_0_1_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Anything:
        resources_total: dict[str, float] = {}  # noqa: RUF012

        def __getattr__(self, name: str) -> Any:
            return Anything()

    monkeypatch.setattr(list_nodes, "node_records", lambda address: [(Anything(), True)])
    [node] = list_nodes.list_nodes("127.0.0.1:6390")
    assert set(NODE_OF_0_1) <= set(node) and node["alive"] is True

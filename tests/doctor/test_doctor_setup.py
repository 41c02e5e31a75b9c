"""What doctor makes of a server on which nothing is installed yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.finding import Finding, Level
from orchestrator.doctor.bootstrap import before_setup
from orchestrator.doctor.servers import check_server
from orchestrator.doctor.setup import check_before_setup
from orchestrator.doctor.ssh import Reply
from tests.doctor.test_doctor_servers import FILE, answer

GIB = 2**30
NEW, BARE, OLD = ({"version": "3.12.3", "venv": True}, {"version": "3.12.3", "venv": False},
                  {"version": "3.9.2", "venv": True})  # fmt: skip


def found(topic: str, **changed: Any) -> Finding:
    asked = {"pythons": {"python3": NEW}, "disk_free": 100 * GIB, "gpus": {}, "gpu_problem": None, **changed}
    (one,) = [finding for finding in check_before_setup(asked) if finding.topic == topic]
    return one


@pytest.mark.parametrize(
    "pythons, level, expected",
    [
        ({"python3": NEW}, Level.OK, "3.12.3 with venv"),
        ({"python3": BARE}, Level.BLOCKS, "sudo apt-get install python3.12-venv"),
        ({"python3": OLD}, Level.BLOCKS, "install Python 3.11 or newer"),
        ({"python3": OLD, "python3.12": NEW}, Level.WARNING, "`PYTHON=python3.12` before install.sh"),
        ({"python3": OLD, "python3.12": BARE}, Level.BLOCKS, "sudo apt-get install python3.12-venv"),
        ({}, Level.BLOCKS, "none answers"),
        ({"python3": {"version": "new"}, "x": 3}, Level.BLOCKS, "install Python 3.11"),
    ],
)
def test_a_python_that_the_set_up_can_use(pythons: dict[str, Any], level: Level, expected: str) -> None:
    finding = found("python", pythons=pythons)
    assert finding.level is level
    assert expected in finding.found + finding.way_out


@pytest.mark.parametrize("free, level", [(20, Level.OK), (5, Level.WARNING), (1, Level.BLOCKS)])
def test_room_for_the_packages(free: int, level: Level) -> None:
    assert found("disk", disk_free=free * GIB).level is level


def test_gpus_as_nvidia_smi_lists_them() -> None:
    assert "2 x H200" in found("gpu", gpus={"H200": 2}).found
    assert found("gpu", gpu_problem="nvidia-smi: driver mismatch").level is Level.BLOCKS


def test_this_machine_answers() -> None:
    asked = json.loads(json.dumps(before_setup()))
    assert asked["pythons"]["python3"]["version"].startswith("3.")
    assert asked["disk_free"] > 0
    assert len(check_before_setup(asked)) == 3


def test_a_server_before_its_set_up_is_judged_by_what_it_has() -> None:
    bare = answer(project_there=False, facts=None, before_setup={"pythons": {"python3": BARE}})
    blocked = [item for item in check_server(Reply(FILE.head, bare), FILE) if item.level is Level.BLOCKS]
    assert ["python3.12-venv" in item.way_out for item in blocked] == [True]

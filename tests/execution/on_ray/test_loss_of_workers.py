"""The process that trains is killed. Real processes, ten times in a row."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.study.study import Study
from tests.support.losses import TIMES, begun, check_nothing_was_lost, failed, wait_for_more
from tests.support.nodes import below, nodes, trains, tune, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1500)]


def trainers(node: Any) -> list[int]:
    """Processes of a node that run legs."""
    return [pid for pid in below(node.all_processes["raylet"][0].process.pid) if trains(pid)]


def looked_up(node: Any, found: list[int]) -> list[int]:
    """The same, kept: by the next look there may be others."""
    found[:] = trainers(node)
    return found


def test_worker_processes_that_the_system_kills(slow_space: Path, faces: Path, tmp_path: Path) -> None:
    """Ten times: SIGKILL to the one that trains, as the system's OOM killer does; its node lives on."""
    study, log = tmp_path / "a", tmp_path / "log"
    arguments = ["--space", str(slow_space), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    with nodes() as ray:
        node = ray.add(cpus=1)
        with tune(*arguments, "--address", ray.address, log=log) as process:
            found: list[int] = []
            for _ in range(TIMES):
                wait_for_more(lambda: begun(study), 4, process, log)
                wait_until(lambda: len(looked_up(node, found)) == 1, process, log)
                os.kill(found[0], signal.SIGKILL)
                wait_for_more(lambda: failed(study, "killed"), 1, process, log)
            assert process.wait(timeout=240) == 0, log.read_text()
    assert len(failed(study, "killed")) == TIMES and not failed(study, "lost")
    assert len(Study(study).complete_trials()) >= 3
    check_nothing_was_lost(study, slow_space, faces, tmp_path)

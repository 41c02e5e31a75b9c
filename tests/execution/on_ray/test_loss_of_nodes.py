"""Nodes of a Ray are killed while a study runs on them. Real processes, ten times in a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.study.study import Study
from tests.support.losses import TIMES, begun, check_nothing_was_lost, failed, wait_for_more
from tests.support.nodes import nodes, tune

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1500)]


def test_nodes_that_are_killed_and_nodes_that_join_late(
    slow_space: Path, faces: Path, tmp_path: Path
) -> None:
    """Ten times: the only node dies in the middle of its fold run or two, and another one joins."""
    study, log = tmp_path / "a", tmp_path / "log"
    arguments = ["--space", str(slow_space), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    with nodes() as ray:
        node = ray.add()
        with tune(*arguments, "--address", ray.address, log=log) as process:
            for turn in range(TIMES):
                wait_for_more(lambda: begun(study), 6, process, log)
                ray.kill(node)
                node = ray.add(cpus=1 + turn % 2)
            assert process.wait(timeout=240) == 0, log.read_text()
    assert len(failed(study, "lost")) >= TIMES and not failed(study, "killed")
    assert len(Study(study).complete_trials()) >= 3
    check_nothing_was_lost(study, slow_space, faces, tmp_path)

"""The head dies with everything on it and with the driver. Real processes, ten times in a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.study.study import Study
from tests.support.helpers import events
from tests.support.losses import TIMES, begun, check_nothing_was_lost, wait_for_more
from tests.support.nodes import nodes, tune

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1500)]


def test_the_head_is_killed_with_everything_and_another_cluster_resumes(
    slow_space: Path, faces: Path, tmp_path: Path
) -> None:
    """Ten times: GCS, raylet, workers and the driver get SIGKILL at once, with one fold run or two on it."""
    study, log = tmp_path / "a", tmp_path / "log"
    arguments = ["--space", str(slow_space), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    resume = ["--resume", "--runs", str(tmp_path), "--study", "a"]
    for turn in range(TIMES):
        cluster = nodes(head_cpus=1 + turn % 2)
        with cluster as ray, tune(*arguments, "--address", ray.address, log=log) as process:
            wait_for_more(lambda: begun(study), 6, process, log)
            process.kill()
            ray.kill_all()
        arguments = resume
    with nodes(head_cpus=2) as ray, tune(*resume, "--address", ray.address, log=log) as process:
        assert process.wait(timeout=240) == 0, log.read_text()
    assert not events(study, "leg_failed")
    assert len(Study(study).complete_trials()) >= 3
    check_nothing_was_lost(study, slow_space, faces, tmp_path)

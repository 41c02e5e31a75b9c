"""What is lost when something dies: nodes, worker processes, the head. Real processes, ten times in a row."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.study.study import Study
from tests.support.helpers import check_consistent, curves, events
from tests.support.nodes import below, nodes, trains, tune, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1500)]
TIMES = 10
MAX_T = 30


@pytest.fixture
def slow_space(space_file: Path) -> Path:
    """Enough epochs of a twentieth of a second that a study outlives ten losses; no trial is out early."""
    text = space_file.read_text().replace("2.0)}", '2.0), "epoch_seconds": 0.05}')
    text = re.sub(r"trials=9, max_t=4, grace_period=1, finalists=2", "trials=6, max_t=30", text)
    space_file.write_text(re.sub(r"\n    scales=.*\n", "\n", text))
    return space_file


def memory() -> dict[str, int]:
    """Bytes, as the kernel counts them."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def total_memory() -> int:
    return memory()["MemTotal"]


def used_memory() -> float:
    """Of the total."""
    found = memory()
    return 1 - found["MemAvailable"] / found["MemTotal"]


def has_a_limit() -> bool:
    """Whether a control group gives these processes less than the machine has."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = Path("/sys/fs/cgroup") / name
        if limit.exists() and (text := limit.read_text().strip()).isdigit():
            return int(text) < total_memory()
    return False


def begun(study: Path) -> list[dict[str, Any]]:
    """Epochs that ended, as far as the journal says."""
    return told(study, "epoch_ended")


def failed(study: Path, failure: str) -> list[dict[str, Any]]:
    return [event for event in told(study, "leg_failed") if event["failure"] == failure]


def told(study: Path, kind: str) -> list[dict[str, Any]]:
    """Events of a journal that is being written: whole lines only."""
    path = study / "journal.jsonl"
    text = path.read_text() if path.exists() else ""
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [event for event in lines if event["event"] == kind]


def wait_for_more(
    what: Callable[[], list[dict[str, Any]]], number: int, process: subprocess.Popen[bytes], log: Path
) -> None:
    seen = len(what())
    wait_until(lambda: len(what()) >= seen + number, process, log)


def check_nothing_was_lost(study: Path, space: Path, data: Path, runs: Path) -> None:
    """Every fold run went on from the last epoch in the journal, to the scores of an undisturbed study."""
    check_consistent(study, folds=3, max_t=MAX_T)
    ran = Counter((event["trial"], event["fold"], event["epoch"]) for event in events(study, "epoch_ended"))
    assert max(ran.values()) == 1, "an epoch that was in the journal was run again"
    log = runs / "whole.log"
    arguments = ["--space", str(space), "--data", str(data), "--runs", str(runs), "--study", "whole"]
    with tune(*arguments, "--set", "epoch_seconds=0.0", "--rule", "exhaustive", "--inline", log=log) as done:
        assert done.wait(timeout=120) == 0, log.read_text()
    own, whole = curves(study), curves(runs / "whole")
    assert own and all(whole[key][epoch] == own[key][epoch] for key in own for epoch in own[key])


def test_nodes_that_are_killed_and_nodes_that_join_late(
    slow_space: Path, faces: Path, tmp_path: Path
) -> None:
    """Ten times: the only node dies in the middle of its fold runs, and another one joins."""
    study, log = tmp_path / "a", tmp_path / "log"
    arguments = ["--space", str(slow_space), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    with nodes() as ray:
        node = ray.add()
        with tune(*arguments, "--address", ray.address, log=log) as process:
            for _ in range(TIMES):
                wait_for_more(lambda: begun(study), 6, process, log)
                ray.kill(node)
                node = ray.add()
            assert process.wait(timeout=240) == 0, log.read_text()
    assert len(failed(study, "lost")) >= TIMES and not failed(study, "killed")
    assert len(Study.read(study).complete_trials()) >= 3
    check_nothing_was_lost(study, slow_space, faces, tmp_path)


def trainers(node: Any) -> list[int]:
    """Processes of a node that run legs."""
    return [pid for pid in below(node.all_processes["raylet"][0].process.pid) if trains(pid)]


def test_worker_processes_that_the_system_kills(slow_space: Path, faces: Path, tmp_path: Path) -> None:
    """Ten times: SIGKILL to the one that trains, as the system's OOM killer does; its node lives on."""
    study, log = tmp_path / "a", tmp_path / "log"
    arguments = ["--space", str(slow_space), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    with nodes() as ray:
        node = ray.add(cpus=1)
        with tune(*arguments, "--address", ray.address, log=log) as process:
            for _ in range(TIMES):
                wait_for_more(lambda: begun(study), 4, process, log)
                wait_until(lambda: len(trainers(node)) == 1, process, log)
                os.kill(trainers(node)[0], signal.SIGKILL)
                wait_for_more(lambda: failed(study, "killed"), 1, process, log)
            assert process.wait(timeout=240) == 0, log.read_text()
    assert len(failed(study, "killed")) == TIMES and not failed(study, "lost")
    assert len(Study.read(study).complete_trials()) >= 3
    check_nothing_was_lost(study, slow_space, faces, tmp_path)


def test_a_process_that_rays_memory_monitor_ends(
    space_file: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes 3 GB more than the machine had in use; Ray ends it, and it is tried again once."""
    if memory()["MemAvailable"] < 8e9 or has_a_limit():
        pytest.skip("needs 8 GB of free memory, and no limit of its own for this group of processes")
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{used_memory() + 3e9 / total_memory():.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    study, log = tmp_path / "a", tmp_path / "log"
    arguments = ["--space", str(space_file), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    eats = ["--set", "eat_at=2", "--set", f"die_flag={tmp_path / 'ate'}"]
    with nodes() as ray:
        ray.add(cpus=1)
        with tune(*arguments, *eats, "--address", ray.address, log=log) as process:
            assert process.wait(timeout=240) == 0, log.read_text()
    [lost] = failed(study, "killed")
    assert lost["epoch"] == 1 and "memory" in lost["error"]
    assert not failed(study, "exception")
    assert len(Study.read(study).complete_trials()) >= 2


def test_the_head_is_killed_with_everything_and_another_cluster_resumes(
    slow_space: Path, faces: Path, tmp_path: Path
) -> None:
    """Ten times: GCS, raylet, workers and the driver get SIGKILL at once."""
    study, log = tmp_path / "a", tmp_path / "log"
    arguments = ["--space", str(slow_space), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    resume = ["--resume", "--runs", str(tmp_path), "--study", "a"]
    for _ in range(TIMES):
        with nodes(head_cpus=2) as ray, tune(*arguments, "--address", ray.address, log=log) as process:
            wait_for_more(lambda: begun(study), 6, process, log)
            process.kill()
            ray.kill_all()
        arguments = resume
    with nodes(head_cpus=2) as ray, tune(*resume, "--address", ray.address, log=log) as process:
        assert process.wait(timeout=240) == 0, log.read_text()
    assert not events(study, "leg_failed")
    assert len(Study.read(study).complete_trials()) >= 3
    check_nothing_was_lost(study, slow_space, faces, tmp_path)

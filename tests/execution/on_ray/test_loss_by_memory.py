"""The machine runs out of memory, by a fold run or by a neighbour, and Ray ends fold runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.study.study import Study
from tests.support.helpers import check_consistent
from tests.support.losses import begun, failed, told, wait_for_more
from tests.support.nodes import ROOT, nodes, tune, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1500)]


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


def test_a_process_that_rays_memory_monitor_ends(
    space_file: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes half of the free memory, 6 GB at most; Ray ends it, and it is tried again once."""
    if memory()["MemAvailable"] < 8e9 or has_a_limit():
        pytest.skip("needs 8 GB of free memory, and no limit of its own for this group of processes")
    room = min(6e9, memory()["MemAvailable"] / 2)  # other tests take and give back a few GB meanwhile
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{used_memory() + room / total_memory():.3f}")
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
    assert len(Study(study).complete_trials()) >= 2


HOG = """
import os, sys, threading
from tests.execution.on_ray.test_loss_by_memory import used_memory
share, test, held = float(sys.argv[1]), int(sys.argv[2]), []
while os.getppid() == test:
    if used_memory() < share:
        held.append(b"x" * 10**8)
    else:
        threading.Event().wait(0.05)
"""
"""Keeps that share of the machine's memory in use, whatever others give back meanwhile, until its test is
gone, also where that was killed."""


def test_a_neighbour_that_takes_the_memory_costs_no_trial_a_try(
    slow_space: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 GB are free, and a process that is not ours takes more than that until fold runs were ended."""
    if memory()["MemAvailable"] < 6e9 or has_a_limit():
        pytest.skip("needs 6 GB of free memory, and no limit of its own for this group of processes")
    most = used_memory() + 2e9 / total_memory()
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{most:.4f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    study, log = tmp_path / "a", tmp_path / "log"
    arguments = ["--space", str(slow_space), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    with tune(*arguments, log=log) as process:
        wait_for_more(lambda: begun(study), 3, process, log)
        wanted = most + 1e9 / total_memory()
        hog = subprocess.Popen([sys.executable, "-c", HOG, str(wanted), str(os.getpid())], cwd=ROOT)
        try:
            wait_until(lambda: bool(failed(study, "crowded")), process, log)
        finally:
            hog.kill()
            hog.wait()
        assert process.wait(timeout=400) == 0, log.read_text()
    assert failed(study, "crowded")[0]["error"].startswith("the node's memory ran short")
    assert not failed(study, "killed")
    assert "largest of others: " in log.read_text()
    assert all(event["action"] != "FAIL" for event in told(study, "decided"))
    check_consistent(study, folds=3, max_t=30)

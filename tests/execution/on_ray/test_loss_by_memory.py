"""The machine runs out of memory, and Ray ends the process that eats it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.study.study import Study
from tests.support.losses import failed
from tests.support.nodes import nodes, tune

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

"""What holds a machine's memory, from tables of the kernel and of nvidia-smi."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.machine import memory
from orchestrator.machine.gpu_memory import MIB, parse_gpu_memory
from orchestrator.machine.memory import MemoryReading, ray_share, read_memory

GIB = 2**30


def kernel(folder: Path, meminfo: str = "", **files: str) -> tuple[Path, Path]:
    proc, cgroup = folder / "proc", folder / "cgroup"
    (cgroup / "memory").mkdir(parents=True)
    proc.mkdir()
    (proc / "meminfo").write_text(meminfo)
    for name, text in files.items():
        (cgroup / name.replace("__", "/").replace("_DOT_", ".")).write_text(text)
    return proc, cgroup


MACHINE = f"MemTotal:  {24 * 2**20} kB\nMemFree: 5 kB\nMemAvailable:  {20 * 2**20} kB\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, (24 * GIB, 4 * GIB)),
        ({"memory_DOT_max": "max\n", "memory_DOT_current": "99\n"}, (24 * GIB, 4 * GIB)),
        (
            {
                "memory_DOT_max": f"{8 * GIB}\n",
                "memory_DOT_current": f"{3 * GIB}\n",
                "memory_DOT_stat": f"anon 7\ninactive_file {GIB}\nactive_file {GIB // 2}\n",
            },
            (8 * GIB, 3 * GIB // 2),
        ),
        (
            {
                "memory__memory_DOT_limit_in_bytes": f"{8 * GIB}",
                "memory__memory_DOT_usage_in_bytes": f"{3 * GIB}",
                "memory__memory_DOT_stat": f"total_inactive_file {2 * GIB}\n",
            },
            (8 * GIB, GIB),
        ),
        (
            {
                "memory__memory_DOT_limit_in_bytes": f"{2**63 - 4096}",
                "memory__memory_DOT_usage_in_bytes": f"{3 * GIB}",
            },
            (24 * GIB, 4 * GIB),
        ),
    ],
)
def test_the_tighter_of_machine_and_control_group_counts(
    files: dict[str, str], found: tuple[int, int], tmp_path: Path
) -> None:
    assert memory._limit_and_use(*kernel(tmp_path, MACHINE, **files)) == found


def test_no_table_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PROC", tmp_path / "none")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "none")
    assert read_memory(1, b"x") is None


def test_what_the_kernel_ended_is_counted(tmp_path: Path) -> None:
    proc, cgroup = kernel(tmp_path, memory_DOT_events="low 0\noom 4\noom_kill 3\n")
    (proc / "vmstat").write_text("pgfault 9\noom_kill 2\n")
    assert memory._ended_by_kernel(proc, cgroup) == 3


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        ({}, 0.95),
        ({"RAY_memory_usage_threshold": "0.5"}, 0.5),
        ({"RAY_memory_usage_threshold": "much"}, 0.95),
        ({"RAY_memory_usage_threshold": "7"}, 0.95),
        ({"RAY_memory_monitor_refresh_ms": "0"}, 1.0),
    ],
)
def test_the_limit_is_rays(environment: dict[str, str], share: float) -> None:
    assert ray_share(environment) == share


def test_room_is_what_ours_may_hold_together() -> None:
    assert MemoryReading(limit=10, used=8, ours=(1, 2)).room == 5


def test_ours_are_told_from_others_and_their_children_count_with_them() -> None:
    eats = "import sys, time; kept = b'x' * 50_000_000; print(len(kept), flush=True); time.sleep(60)"
    family = (
        "import subprocess, sys; done = subprocess.Popen([sys.executable, '-c', sys.argv[1]]); done.wait()"
    )
    ours = subprocess.Popen(
        [sys.executable, "-c", family, eats, "LegTrainableOfThisTest"], stdout=subprocess.PIPE
    )
    try:
        assert ours.stdout is not None and ours.stdout.readline() == b"50000000\n"
        found = read_memory(os.getpid(), b"LegTrainableOfThisTest")
        assert found is not None and len(found.ours) == 1 and found.ours[0] > 50_000_000
        assert ours.pid in found.processes and len(found.processes) == 2
        assert 0 < found.used < found.limit
        nobody = read_memory(os.getpid(), b"SomethingElseEntirely")
        assert nobody is not None and nobody.ours == ()
        stranger = read_memory(ours.pid + 2**22, b"LegTrainableOfThisTest")
        assert stranger is not None and stranger.ours == ()
        assert all(item.resident > 0 and item.name and item.owner for item in stranger.holders)
        assert [item.resident for item in stranger.holders] == sorted(
            (item.resident for item in stranger.holders), reverse=True
        )
    finally:
        for pid in [*(found.processes if found else ()), ours.pid]:
            os.kill(pid, 9)
        ours.wait()


MAPS = """
import mmap, sys, time
kept = b'x' * 50_000_000
with open(sys.argv[1], 'rb') as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(sum(mapped[at] for at in range(0, len(mapped), 4096)), flush=True)
time.sleep(60)
"""


def test_a_file_that_several_of_ours_map_is_no_memory_of_theirs(tmp_path: Path) -> None:
    """As the store of decoded images: the kernel keeps it once, and gives it back."""
    (tmp_path / "store").write_bytes(bytes(150_000_000))
    command = [sys.executable, "-c", MAPS, str(tmp_path / "store"), "LegTrainableThatMaps"]
    ours = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for process in ours:
            assert process.stdout is not None and process.stdout.readline() == b"0\n"
        found = read_memory(os.getpid(), b"LegTrainableThatMaps")
        assert found is not None and len(found.ours) == 2
        assert all(50_000_000 < size < 150_000_000 for size in found.ours)
    finally:
        for process in ours:
            process.kill()
            process.wait()


GPUS = "0, GPU-a, 81559, 40000\n1, GPU-b, 81559, 10\n"
APPS = "GPU-a, 11, 30000\nGPU-a, 12, 9000\nGPU-b, 13, [N/A]\n"


def test_what_is_held_of_each_gpu_and_by_whom() -> None:
    assert parse_gpu_memory(GPUS, APPS, {12, 13}, None) == [
        (81559 * MIB, 40000 * MIB, (9000 * MIB,)),
        (81559 * MIB, 10 * MIB, ()),
    ]


@pytest.mark.parametrize(("visible", "number"), [("1", 1), ("GPU-a, 1", 2), ("", 0), (None, 2)])
def test_only_gpus_that_cuda_is_given_count(visible: str | None, number: int) -> None:
    assert len(parse_gpu_memory(GPUS, "", (), visible)) == number


def test_a_card_that_does_not_tell_its_memory_is_left_out() -> None:
    """As one that is cut into slices, or shares the memory of its processor."""
    assert parse_gpu_memory("0, GPU-a, [N/A], [N/A]\n1, GPU-b, 81559, 10\n", "", (), None) == [
        (81559 * MIB, 10 * MIB, ())
    ]


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError):
        parse_gpu_memory("NVIDIA-SMI has failed\n", "", (), None)

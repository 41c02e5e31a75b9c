"""What is held of this machine's GPUs, and how much of that by our own processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping

from orchestrator.machine.nvidia_smi import output_of, rows_of

MIB = 2**20
Held = tuple[int, int, tuple[int, ...]]
"""Of one GPU, in bytes: its memory, what is used of it, and what each of our processes uses."""


def gpu_memory(own: Collection[int], environment: Mapping[str, str] = os.environ) -> list[Held]:
    """own: process ids. Only the GPUs that CUDA_VISIBLE_DEVICES names by number or id; none where nvidia-smi
    is not there or fails, of which `doctor` tells."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        gpus = _ask(program, "--query-gpu=index,uuid,memory.total,memory.used")
        apps = _ask(program, "--query-compute-apps=gpu_uuid,pid,used_memory")
        return parse_gpu_memory(gpus, apps, own, environment.get("CUDA_VISIBLE_DEVICES"))
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def parse_gpu_memory(gpus: str, apps: str, own: Collection[int], visible: str | None) -> list[Held]:
    """Of nvidia-smi's tables in MiB, without headers and units. visible: as CUDA_VISIBLE_DEVICES.

    Raises ValueError.
    """
    ours: dict[str, list[int]] = {}
    for uuid, pid, used in rows_of(apps):
        if int(pid) in own and used.isdigit():
            ours.setdefault(uuid, []).append(int(used) * MIB)
    named = None if visible is None else {item.strip() for item in visible.split(",")}
    return [
        (int(total) * MIB, int(used) * MIB, tuple(ours.get(uuid, ())))
        for index, uuid, total, used in rows_of(gpus)
        if named is None or index in named or uuid in named
    ]


def _ask(program: str, query: str) -> str:
    return output_of([program, query, "--format=csv,noheader,nounits"])

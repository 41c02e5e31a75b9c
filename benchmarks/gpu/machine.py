"""Which card, driver and torch, and how the card's clocks stand, beside which figures are read."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.core.text import on_one_line, shown
from orchestrator.machine import nvidia_smi

QUERY = {
    "driver_version": "driver",
    "memory.used": "memory used, MiB",
    "clocks.sm": "SM clock, MHz",
    "clocks.max.sm": "SM clock at most, MHz",
    "temperature.gpu": "temperature, C",
    "power.draw": "power, W",
    "power.limit": "power limit, W",
    "persistence_mode": "persistence mode",
    "compute_mode": "compute mode",
    "mig.mode.current": "MIG",
}
THROTTLING = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
"""Of newer and of older drivers."""


def software() -> dict[str, str]:
    """Of this environment, without importing any of it."""
    return {name: version(name) for name in ("torch", "timm", "ray", "albumentations", "fold-orchestrator")}


def card_now(index: str) -> dict[str, str]:
    """What nvidia-smi says of one card, by number or id; empty where it cannot be asked."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    found = dict(zip(QUERY.values(), _ask(program, index, tuple(QUERY)), strict=False))
    for name in THROTTLING:
        if answer := _ask(program, index, (name,)):
            found["throttling"] = throttling(answer[0])
            break
    return found


# The bits of nvidia-smi's clocks_event_reasons, from NVML's nvmlClocksEventReasons.
REASONS: Mapping[int, str] = {
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
}


def throttling(mask: str) -> str:
    """ "0x0000000000000004" -> "power cap"; idle (0x1) is no throttling."""
    try:
        bits = int(mask, 16)
    except ValueError:
        return mask
    return ", ".join(name for bit, name in REASONS.items() if bits & bit) or "none"


def _ask(program: str, index: str, names: tuple[str, ...]) -> list[str]:
    command = [program, f"--id={index}", f"--query-gpu={','.join(names)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=nvidia_smi.NVIDIA_SMI_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    first = next(iter(answer.splitlines()), "")
    return [shown(on_one_line(item.strip())) for item in first.split(",")]


def host() -> dict[str, Any]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    total = int(next(line for line in lines if line.startswith("MemTotal")).split()[1]) * 1024
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory, GB": round(total / 1e9),
        "python": platform.python_version(),
    }


def processor() -> str:
    names = (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return next(names, platform.machine()).rpartition(":")[2].strip()

"""What is held of this machine's GPUs, and how much of that by our own processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestrator.machine.gpu_cards import Card, CardProcess, MigSlice, is_named, parse_log
from orchestrator.machine.nvidia_smi import output_of, rows_of

MIB = 2**20
VISIBLE = "CUDA_VISIBLE_DEVICES"
Held = tuple[int, int, tuple[int, ...]]
"""Of one GPU, in bytes: its memory, what is used of it, and what each of our processes uses."""


def gpu_memory(own: Collection[int], environment: Mapping[str, str] = os.environ) -> list[Held]:
    """own: process ids. Only the GPUs, or slices of them, that CUDA_VISIBLE_DEVICES names; none where
    nvidia-smi is not there or fails, of which `doctor` tells."""
    program, visible = shutil.which("nvidia-smi"), environment.get(VISIBLE)
    if program is None:
        return []
    try:
        if visible is not None and "MIG-" in visible:
            devices = parse_devices(output_of([program, "-q", "-x"]), output_of([program, "-L"]), visible)
            return [(item.total, item.used, ()) for item in devices if item.used is not None]
        gpus = _ask(program, "--query-gpu=index,uuid,memory.total,memory.used")
        apps = _ask(program, "--query-compute-apps=gpu_uuid,pid,used_memory")
        return parse_gpu_memory(gpus, apps, own, visible)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def parse_gpu_memory(gpus: str, apps: str, own: Collection[int], visible: str | None) -> list[Held]:
    """Of nvidia-smi's tables in MiB, without headers and units; a card that does not tell its memory is left
    out. visible: as CUDA_VISIBLE_DEVICES.

    Raises ValueError.
    """
    ours: dict[str, list[int]] = {}
    for uuid, pid, used in rows_of(apps):
        if int(pid) in own and used.isdigit():
            ours.setdefault(uuid, []).append(int(used) * MIB)
    named = None if visible is None else [item.strip() for item in visible.split(",")]
    return [
        (int(total) * MIB, int(used) * MIB, tuple(ours.get(uuid, ())))
        for index, uuid, total, used in rows_of(gpus)
        if named is None or any(is_named(word, int(index), uuid) for word in named)
        if total.isdigit() and used.isdigit()
    ]


def _ask(program: str, query: str) -> str:
    return output_of([program, query, "--format=csv,noheader,nounits"])


# ---- the GPUs of one process -------------------------------------------------------------------------


@dataclass(frozen=True)
class Device:
    """A GPU, or a slice of one, that this process may use. Sizes in bytes; None: not told."""

    name: str
    total: int
    used: int | None
    is_exclusive: bool  # one program at a time may compute there
    processes: tuple[CardProcess, ...]  # of the whole card


def own_devices(environment: Mapping[str, str] = os.environ) -> list[Device]:
    """Those that CUDA_VISIBLE_DEVICES names; none where nvidia-smi is not there or fails."""
    program, visible = shutil.which("nvidia-smi"), environment.get(VISIBLE)
    if program is None:
        return []
    try:
        query = output_of([program, "-q", "-x"])
        return parse_devices(query, output_of([program, "-L"]) if "<mig_device>" in query else "", visible)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def parse_devices(query: str, listed: str, visible: str | None) -> list[Device]:
    """Of `nvidia-smi -q -x` and, for the ids of slices, `-L`. Raises ValueError."""
    words = None if visible is None else [item.strip() for item in visible.split(",")]
    found = []
    for card in parse_log(query, listed).cards:
        if card.slices:
            found += [_device(card, part) for part in card.slices if words and _names(words, part)]
        elif words is None or any(is_named(word, card.index, card.uuid) for word in words):
            found.append(_device(card, None))
    return found


def _names(words: list[str], part: MigSlice) -> bool:
    return bool(part.uuid) and any(word.startswith("MIG-") and part.uuid.startswith(word) for word in words)


def _device(card: Card, part: MigSlice | None) -> Device:
    whole = part or card
    used = None if whole.used_mib is None else whole.used_mib * MIB
    name = f"GPU {card.index}" if part is None else f"slice {part.name} of GPU {card.index}"
    is_exclusive = part is None and card.compute_mode.startswith("Exclusive")
    return Device(name, whole.memory_mib * MIB, used, is_exclusive, card.processes)

"""Who uses the GPUs of this machine, as /proc tells."""

from __future__ import annotations

import pwd
from collections.abc import Iterable
from pathlib import Path

from orchestrator.machine.gpu_cards import parse_log

PROC = Path("/proc")
MPS_CONTROL = "nvidia-cuda-mps-control"


def owners_of(query: str, proc: Path = PROC) -> dict[str, str]:
    """Process id -> user, of the processes in an answer of nvidia-smi that /proc shows: those are ids of the
    host, and a container sees few of them."""
    pids = [item.pid for card in parse_log(query).cards for item in card.processes] if query else []
    return _owners(pids, proc)


def mps_daemons(proc: Path = PROC) -> dict[str, str]:
    """Process id -> user, of the control daemons of CUDA's Multi-Process Service that run here."""
    return _owners((int(path.name) for path in proc.glob("[0-9]*") if _program(path) == MPS_CONTROL), proc)


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _owners(pids: Iterable[int], proc: Path) -> dict[str, str]:
    found = {}
    for pid in pids:
        try:
            found[str(pid)] = user_name((proc / str(pid)).stat().st_uid)
        except OSError:
            continue  # it has ended, or is hidden
    return found


def _program(folder: Path) -> str:
    try:
        return Path((folder / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")).name
    except OSError:
        return ""

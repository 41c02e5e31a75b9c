"""What holds this machine's memory, as the kernel counts it: ours and others'. Sizes in bytes.

Reads /proc and the control group; where one of them is missing or forbids, that part is left out.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
PAGE = os.sysconf("SC_PAGE_SIZE")
RAYS_SHARE = 0.95  # of the memory, above which Ray ends processes unless RAY_memory_usage_threshold says else
HOLDERS = 3
_UNLIMITED = 2**60  # version 1 of control groups writes such a number where there is no limit


@dataclass(frozen=True)
class Holder:
    """A process that is not ours."""

    name: str
    owner: str
    resident: int


@dataclass(frozen=True)
class MemoryReading:
    """A machine at one moment."""

    limit: int  # when so much is in use, processes are ended
    used: int  # by all; the caches that the kernel gives back do not count
    ours: tuple[int, ...] = ()  # of each process that runs our fold runs, children included; see `unshared`
    holders: tuple[Holder, ...] = ()  # the largest processes that are not ours, largest first
    processes: tuple[int, ...] = ()  # ids of those that `ours` counts
    ended_by_kernel: int = 0  # processes that it has ended for memory since the machine started

    @property
    def room(self) -> int:
        """What all our fold runs may hold together."""
        return self.limit - self.used + sum(self.ours)


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    resident: int
    name: str


def read_memory(
    root: int, marker: bytes, environment: Mapping[str, str] = os.environ
) -> MemoryReading | None:
    """None where /proc says nothing.

    root: our fold runs are in processes below this one, and have `marker` in their command line.
    """
    total, used = _limit_and_use(PROC, CGROUP)
    if not total:
        return None
    found = {process.pid: process for process in _processes(PROC)}
    children = _children(found.values())
    below = set(_below(root, children))
    starts = [pid for pid in below if marker in _command(pid)]
    ours = [[pid, *_below(pid, children)] for pid in starts if not _is_below(pid, starts, found)]
    others = (
        process for pid, process in found.items() if pid not in below and pid not in (root, os.getpid())
    )
    return MemoryReading(
        int(total * ray_share(environment)),
        used,
        tuple(sum(unshared(pid) for pid in {*family}) for family in ours),
        tuple(_holder(item) for item in sorted(others, key=lambda item: -item.resident)[:HOLDERS]),
        tuple(sorted({pid for family in ours for pid in family})),
        _ended_by_kernel(PROC, CGROUP),
    )


def ray_share(environment: Mapping[str, str]) -> float:
    """Of the memory: above it Ray ends processes. 1.0 where its monitor is off."""
    if environment.get("RAY_memory_monitor_refresh_ms") == "0":
        return 1.0
    try:
        share = float(environment.get("RAY_memory_usage_threshold", RAYS_SHARE))
    except ValueError:
        return RAYS_SHARE
    return share if 0 < share <= 1 else RAYS_SHARE


# ---- the machine and its control group --------------------------------------------------------------


def _limit_and_use(proc: Path, cgroup: Path) -> tuple[int, int]:
    """Of the control group where it is tighter than the machine."""
    machine = _table(proc / "meminfo", r"^(\w+):\s+(\d+) kB$", 1024)
    total, available = machine.get("MemTotal", 0), machine.get("MemAvailable", 0)
    own = _cgroup(cgroup)
    if own is not None and (not total or own[0] < total):
        return own
    return total, max(total - available, 0)


def _cgroup(folder: Path) -> tuple[int, int] | None:
    """Its limit and use; None where it has no limit."""
    for limit, use, prefix in (
        ("memory.max", "memory.current", ""),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_"),
    ):
        most, used = _text(folder / limit), _text(folder / use)
        if most.isdigit() and used.isdigit() and int(most) < _UNLIMITED:
            kept = _table((folder / use).with_name("memory.stat"), r"^(\w+) (\d+)$", 1)
            files = sum(kept.get(f"{prefix}{name}", 0) for name in ("inactive_file", "active_file"))
            return int(most), max(int(used) - files, 0)
    return None


def _ended_by_kernel(proc: Path, cgroup: Path) -> int:
    machine = _table(proc / "vmstat", r"^(oom_kill) (\d+)$", 1).get("oom_kill", 0)
    own = _table(cgroup / "memory.events", r"^(oom_kill) (\d+)$", 1).get("oom_kill", 0)
    return max(machine, own)


def _table(path: Path, line: str, unit: int) -> dict[str, int]:
    return {name: unit * int(value) for name, value in re.findall(line, _text(path), re.MULTILINE)}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


# ---- processes ----------------------------------------------------------------------------------------


def _processes(proc: Path) -> Iterator[_Process]:
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        head, bracket, rest = _text(folder / "stat").rpartition(")")
        fields = rest.split()
        if bracket and len(fields) > 21:  # else it ended meanwhile
            name = head.partition("(")[2]
            yield _Process(int(folder.name), int(fields[1]), int(fields[21]) * PAGE, name)


def unshared(pid: int) -> int:
    """Bytes that a process has in memory without the files that it maps, such as the store of decoded images:
    the kernel keeps those once for all and counts them as a cache. 0 where it ended meanwhile."""
    fields = _text(PROC / str(pid) / "statm").split()
    return (int(fields[1]) - int(fields[2])) * PAGE if len(fields) > 2 else 0


def _children(processes: Iterable[_Process]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for process in processes:
        found.setdefault(process.parent, []).append(process.pid)
    return found


def _below(pid: int, children: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """Its descendants."""
    for child in children.get(pid, ()):
        yield child
        yield from _below(child, children)


def _is_below(pid: int, starts: Sequence[int], found: Mapping[int, _Process]) -> bool:
    """Whether it descends from one of `starts`, with which it is counted."""
    parent = found[pid].parent
    while parent in found:
        if parent in starts:
            return True
        parent = found[parent].parent
    return False


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes()
    return b""


def _holder(process: _Process) -> Holder:
    try:
        owner = (PROC / str(process.pid)).stat().st_uid
        name = pwd.getpwuid(owner).pw_name
    except (OSError, KeyError):
        name = "another account"
    return Holder(process.name, name, process.resident)

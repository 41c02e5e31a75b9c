"""Which processes here are our Ray's, whatever their names are by now.

They inherited its mark in their environment; those that renamed themselves (the new name is written over it)
descend from one that has it. Finding by process name, as `ray stop` does, would find every Ray of the user.
"""

from __future__ import annotations

import os
import pwd
import signal
import time
from pathlib import Path

MARK = "FOLD_ORCHESTRATOR_RAY"  # the start commands of cluster.yaml set it to Ray's temp dir
TEMP = f"/tmp/fold-{pwd.getpwuid(os.getuid()).pw_name}/ray"


def ours(proc: Path = Path("/proc")) -> list[int]:
    """Numbers of the processes that carry the mark or descend from one that does, this one left out."""
    parent = {int(entry.name): parent_of(entry) for entry in proc.iterdir() if entry.name.isdigit()}
    mine = set(ancestry(os.getpid(), parent))
    marked = {number for number in parent if number not in mine and is_marked(proc / str(number))}
    living = (number for number, above in parent.items() if above is not None and number not in mine)
    return sorted(number for number in living if not marked.isdisjoint(ancestry(number, parent)))


def ancestry(number: int, parent: dict[int, int | None]) -> list[int]:
    """A process and those it descends from, the nearest first."""
    found = []
    while number and number not in found:
        found.append(number)
        number = parent.get(number) or 0
    return found


def parent_of(process: Path) -> int | None:
    """Number of its parent; None for a process that has ended, waited for or not."""
    try:
        state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state in "ZX" else int(parent)


def is_marked(process: Path) -> bool:
    """Another user's environment cannot be read, and is not ours."""
    try:
        return f"\0{MARK}={TEMP}\0".encode() in b"\0" + (process / "environ").read_bytes()
    except OSError:
        return False


def raylet(proc: Path = Path("/proc")) -> dict[str, str] | None:
    """The options of our raylet here (node_ip_address, ...), or None when there is none."""
    for number in ours(proc):
        try:
            words = (proc / str(number) / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if Path(words[0]).name == "raylet":
            pairs = (word.removeprefix("--").partition("=") for word in words[1:])
            return {name: value for name, _, value in pairs}
    return None


def end(grace_s: float = 3.0) -> int:
    """Ends them all: asked first, killed after `grace_s`. Returns how many there were.

    What renamed itself is not found by its mark once its parent is gone: those found first are followed.
    """
    found = ours()
    send_signal(found, signal.SIGTERM)
    asked = time.monotonic()
    left = set(found)
    while left := {number for number in left | set(ours()) if parent_of(Path(f"/proc/{number}")) is not None}:
        if time.monotonic() > asked + grace_s:  # gcs_server takes more than 15 s to end by itself
            send_signal(sorted(left), signal.SIGKILL)
        time.sleep(0.1)
    return len(found)


def send_signal(numbers: list[int], what: signal.Signals) -> None:
    for number in numbers:
        try:
            os.kill(number, what)
        except ProcessLookupError:
            continue

"""An init process with namespaces of its own, and what runs in them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any


class Init:
    """Started by `command`, which must print "ready" and end with its standard input.

    The command forks (unshare, nsenter): `pid` is its last descendant, the init, as this machine numbers it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command

    def __enter__(self) -> Init:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"no namespaces: {' '.join(self._command)}")
        self.pid = only_descendant(self._process.pid)
        self.namespace = pinned(self.pid)
        return self

    def command(self, command: Sequence[str], folder: str = "/") -> list[str]:
        """`command` as it is to be run from outside to run inside."""
        return ["nsenter", "-t", str(self.pid), "-a", f"--wd={folder}", "--", *command]

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(command), check=True, capture_output=True, text=True, **options)

    def end(self) -> None:
        """Ends it as power loss would: every process in it is killed, nothing is told to anyone."""
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(timeout=120)
        self._process.stdout.close()  # type: ignore[union-attr]
        end_all({self.namespace})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self.end()


def pinned(pid: int) -> str:
    """The PID namespace of a process. Its number stays its own for as long as this process lives.

    The kernel gives the number of a namespace that is gone to the next one: who ended the processes of the
    first would end those of a laboratory that another process has just started.
    """
    path = Path(f"/proc/{pid}/ns/pid")
    os.open(path, os.O_RDONLY)  # held on purpose: while it is open the namespace is there
    return str(path.readlink())


def only_descendant(pid: int) -> int:
    """The end of a line of only children."""
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        (child,) = children
        pid = int(child)
    return pid


def processes_in(namespaces: set[str]) -> list[int]:
    """Host numbers of the processes whose PID namespace is one of these."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "ns" / "pid").readlink()) in namespaces:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # it ended, or is not ours
            continue
    return found


def end_all(namespaces: set[str]) -> None:
    """Until none of their processes is seen ten times in a row, once their inits have ended.

    Not every kernel has ended all of them when the init's parent is told, and one that was being started
    then may be seen only later.
    """
    deadline, empty = time.monotonic() + 120, 0
    while empty < 10:
        left = processes_in(namespaces)
        for number in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        if left and time.monotonic() > deadline:
            raise RuntimeError(f"processes {left} outlived the init of their namespace by two minutes")
        empty = 0 if left else empty + 1
        time.sleep(0.02)


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a login gives: nothing of the environment the tests run in."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    login = {"HOME": str(home), "USER": "root", "LOGNAME": "root", "LANG": "C.UTF-8", "PATH": path}
    return {**login, **(more or {})}

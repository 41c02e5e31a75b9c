"""The ways in which `benchmarks.losses` takes something from a study that runs on Ray."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.losses_study import ROOT, World, environment, epochs, whole_lines
from tests.support.nodes import Nodes, below, nodes, trains

FIRST_START_S = 8.0  # from a command to its first epoch, before that was measured
LONGEST_S = 240.0  # a command that lasts longer hangs
LEAVES = 2**16  # bytes that a full disk still has, at most
TMPFS = "24m"


class HangsError(RuntimeError):
    """Something that had to happen did not within LONGEST_S."""


@dataclass
class Running:
    """A command under way on a study."""

    process: subprocess.Popen[bytes]
    study: Path
    log: Path
    started: float
    lines: int  # of its journal when the command was started

    def wait_for(self, what: Callable[[], Any], seconds: float = LONGEST_S) -> bool:
        """Whether it came before the command ended. Raises HangsError."""
        ends = time.monotonic() + seconds
        while not what():
            if self.process.poll() is not None:
                return bool(what())
            if time.monotonic() > ends:
                raise HangsError(f"{self.study}: not within {seconds:.0f} s; {self.last_words()}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=0.02)
        return True

    def has_begun(self) -> bool:
        return len(whole_lines(self.study).splitlines()) > self.lines

    def ended(self, seconds: float = LONGEST_S) -> int:
        """Its exit code. Raises HangsError."""
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise HangsError(
                f"{self.study} did not end within {seconds:.0f} s; {self.last_words()}"
            ) from None

    def last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return next((line for line in reversed(lines) if line.startswith("error: ")), "".join(lines[-1:]))


@contextlib.contextmanager
def running(world: World, runs: Path, name: str, *words: str) -> Iterator[Running]:
    """`tune` on the study of that name; killed at the end if it still runs."""
    runs.mkdir(parents=True, exist_ok=True)
    log, lines = world.folder / f"{name}.log", len(whole_lines(runs / name).splitlines())
    with log.open("wb") as file:
        command = [*world.command(runs, name), *words]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield Running(process, runs / name, log, time.monotonic(), lines)
    finally:
        process.kill()
        process.wait()


class Moments:
    """When to strike: anywhere from the start of a command to twice the time of its first epoch.

    once_begun: counted from when the command has written into the study; before, it would be refused
    """

    def __init__(self, once_begun: bool = False) -> None:
        self._first_epoch_s, self._once_begun = FIRST_START_S, once_begun

    def draw(self, rng: np.random.Generator) -> float:
        return float(rng.uniform(0, 2 * self._first_epoch_s))

    def wait(self, command: Running, rng: np.random.Generator) -> bool:
        """Whether the command still runs at the moment drawn."""
        if self._once_begun and not command.wait_for(command.has_begun):
            return False
        ends = (time.monotonic() if self._once_begun else command.started) + self.draw(rng)
        before, begun = len(epochs(command.study)), False
        while (left := ends - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.process.wait(timeout=min(left, 0.1))
                return False
            if not begun and len(epochs(command.study)) > before:
                begun, self._first_epoch_s = True, time.monotonic() - command.started
        return True


# ---- losses that end the command ----


def kill_driver(command: Running, rng: np.random.Generator) -> str:
    command.process.kill()
    command.ended()
    return "killed"


def kill_gcs(command: Running, rng: np.random.Generator) -> str:
    """The head's own service, of the Ray that the command started."""
    if not command.wait_for(lambda: named(below(command.process.pid), b"gcs_server")):
        return ""
    os.kill(named(below(command.process.pid), b"gcs_server")[0], signal.SIGKILL)
    code = command.ended()
    return f"exit code {code}: {command.last_words()}"


def fill_disk(command: Running, rng: np.random.Generator) -> str:
    """A neighbour takes what is free but for a few bytes, until the command has ended."""
    ballast = command.study.parent / "ballast"
    try:
        with ballast.open("wb") as file:
            free = shutil.disk_usage(ballast.parent).free - int(rng.integers(0, LEAVES))
            os.posix_fallocate(file.fileno(), 0, max(free, 1))
        code = command.ended()
    finally:
        ballast.unlink()
    return f"exit code {code}: {command.last_words()}"


# ---- losses that the command outlives ----


@dataclass
class Servers:
    """Two of one slot each, beside a head that has none."""

    ray: Nodes
    nodes: list[Any]

    def kill_worker(self, rng: np.random.Generator) -> bool:
        """Whether a process that trains was there to be killed."""
        found = [pid for node in self.nodes for pid in below(_raylet(node)) if trains(pid)]
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(rng.choice(found)), signal.SIGKILL)
                return True
        return False

    def kill_raylet(self, rng: np.random.Generator) -> bool:
        """With the processes it started, as when the power goes; another server joins."""
        node = self.nodes.pop(int(rng.integers(len(self.nodes))))
        self.ray.kill(node)
        self.nodes.append(self.ray.add(cpus=1))
        return True


@contextlib.contextmanager
def two_servers() -> Iterator[Servers]:
    with nodes() as ray:
        yield Servers(ray, [ray.add(cpus=1), ray.add(cpus=1)])


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


# ---- processes ----


def named(pids: list[int], word: bytes) -> list[int]:
    """Those whose command has the word in its first argument."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended
            if word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
                found.append(pid)
    return found

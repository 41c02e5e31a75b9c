"""A Ray cluster of several nodes on this machine, each a raylet of its own that can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

ROOT = Path(__file__).parents[2]


# How soon the head notices a node's death: 2 s instead of some 15. One that is only slow gets 5 s to answer.
QUICK_TO_NOTICE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
    "RAY_health_check_timeout_ms": "5000",
}
# A command that joins a Ray brings an environment of its own: workers that wait without it are never used.
NO_IDLE_WORKERS = {"RAY_prestart_worker_first_driver": "0"}


class Nodes:
    """The head has no CPUs: fold runs go to the nodes that are added."""

    def __init__(self, head_cpus: int = 0) -> None:
        from ray.cluster_utils import Cluster

        # Without the autoscaler and the reader of logs: each costs seconds of a CPU, and nobody asks them.
        head = {"num_cpus": head_cpus, "include_dashboard": False, "include_log_monitor": False}
        self._cluster = Cluster(initialize_head=True, head_node_args={**head, "no_monitor": True})
        self.address: str = self._cluster.address

    def add(self, cpus: int = 2) -> Any:
        return self._cluster.add_node(num_cpus=cpus)

    def kill(self, node: Any) -> None:
        """SIGKILL to its raylet and workers, as when its power goes."""
        raylet = node.all_processes["raylet"][0].process.pid
        for pid in [raylet, *below(raylet)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(AssertionError):  # its bookkeeping finds the process gone
            self._cluster.remove_node(node, allow_graceful=False)

    def kill_all(self) -> None:
        """The head with its GCS, and every node."""
        for node in list(self._cluster.list_all_nodes()):
            for processes in list(node.all_processes.values()):
                for info in processes:
                    for pid in [*below(info.process.pid), info.process.pid]:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        with contextlib.suppress(Exception):  # of a cluster whose processes are gone already
            self._cluster.shutdown()


@contextlib.contextmanager
def nodes(head_cpus: int = 0) -> Iterator[Nodes]:
    with (
        ray_folder(),
        patch.dict(os.environ, {"PYTHONPATH": str(ROOT), **QUICK_TO_NOTICE, **NO_IDLE_WORKERS}),
    ):
        made = Nodes(head_cpus)
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def ray_folder() -> Iterator[None]:
    """Ray's files in a folder of their own: in /tmp/ray a test's cluster would become what `--address auto`
    of everybody on this machine finds."""
    made = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
    with made as folder, patch.dict(os.environ, {"RAY_TMPDIR": folder}):
        yield


def parents() -> dict[int, int]:
    found: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return found


def below(pid: int) -> list[int]:
    """Its descendants."""
    of = parents()

    def descends(child: int) -> bool:
        return child in of and (of[child] == pid or descends(of[child]))

    return [child for child in of if descends(child)]


def trains(pid: int) -> bool:
    """Whether it is there and runs legs, as the guard of the memory knows it."""
    from orchestrator.execution.on_ray.node_memory import MARKER

    try:
        return MARKER in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # ended meanwhile
        return False


@contextlib.contextmanager
def tune(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command, running; killed at the end if it still does."""
    command = [sys.executable, "-m", "orchestrator.tune", *arguments]
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(
    what: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float = 300
) -> None:
    """Fails with the command's output when it ends before `what` holds, or takes far too long."""
    ends = time.monotonic() + seconds
    while not what():
        if process.poll() is not None and not what():
            pytest.fail(f"the command ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        if time.monotonic() > ends:
            pytest.fail(f"not within {seconds} s; the command said:\n{log.read_text()[-3000:]}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)

"""Readings of the nodes' memory for the driver, a few seconds old at most."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.execution.memory_pressure import GpuUse
from orchestrator.execution.on_ray.slots import Node
from orchestrator.machine.gpu_memory import gpu_memory
from orchestrator.machine.memory import MemoryReading, read_memory

MARKER = b"_LegTrainable"  # in the command line of a process that runs our fold runs, whatever it does
HERE_S, ELSEWHERE_S = 2.0, 10.0  # seconds a reading holds: of this machine, and of one that has to be asked
GPUS_S = 30.0  # the same of this machine's GPUs: nvidia-smi takes a good part of a second
ANSWER_S = 10.0  # seconds for a node to answer at once


@dataclass
class _Asked:
    reading: MemoryReading | None = None
    at: float = -float("inf")  # seconds
    gpus: tuple[GpuUse, ...] = ()
    gpus_at: float = -float("inf")
    pending: Any = None  # what Ray will bring


class NodeMemory:
    """Of each node: read here where it is this machine, else by a task that runs there."""

    def __init__(self, all_here: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """all_here: the nodes are those of a Ray of our own, whose processes are below this one."""
        self.all_here, self._clock = all_here, clock
        self._asked: dict[str, _Asked] = {}

    def recent(self, node: Node) -> MemoryReading | None:
        """Without waiting; None while the node has not answered yet."""
        known, now = self._asked.setdefault(node.id, _Asked()), self._clock()
        if self.all_here:
            if now - known.at >= HERE_S:
                known.reading, known.at = read_memory(os.getpid(), MARKER), now
            return known.reading
        if known.pending is not None and ray.wait([known.pending], timeout=0)[0]:
            self._take(known)
        if known.pending is None and now - known.at >= ELSEWHERE_S:
            known.pending, known.at = _ask(node), now
        return known.reading

    def now(self, node: Node) -> MemoryReading | None:
        """As of this moment; None where it does not answer in time."""
        known = self._asked.setdefault(node.id, _Asked())
        if self.all_here:
            known.at = -float("inf")
            return self.recent(node)
        known.pending, known.at = _ask(node), self._clock()
        if not ray.wait([known.pending], timeout=ANSWER_S)[0]:
            return None
        self._take(known)
        return known.reading

    def gpus(self, node: Node) -> tuple[GpuUse, ...]:
        """Some seconds old, without waiting; none while nothing is known."""
        known = self._asked.setdefault(node.id, _Asked())
        if self.all_here and self._clock() - known.gpus_at >= GPUS_S:
            known.gpus, known.gpus_at = _gpus(known.reading), self._clock()
        return known.gpus

    def _take(self, known: _Asked) -> None:
        try:
            known.reading, known.gpus = ray.get(known.pending)
        except ray.exceptions.RayError:  # the node is gone, or has no memory for so much as this
            known.reading = None
        known.pending = None


def workers_here() -> Sequence[int]:
    """Ids of the processes that run our fold runs on the node of this worker of Ray."""
    reading = read_memory(os.getppid(), MARKER)  # the parent of Ray's workers is their node's raylet
    return () if reading is None else reading.processes


def _ask(node: Node) -> Any:
    return _read.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote()


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator]
def _read() -> tuple[MemoryReading | None, tuple[GpuUse, ...]]:
    reading = read_memory(os.getppid(), MARKER)  # the parent of Ray's workers is their node's raylet
    return reading, _gpus(reading)


def _gpus(reading: MemoryReading | None) -> tuple[GpuUse, ...]:
    own = () if reading is None else reading.processes
    return tuple(GpuUse(*held) for held in gpu_memory(own))

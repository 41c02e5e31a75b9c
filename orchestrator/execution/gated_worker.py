"""A worker that looks at its GPU before a fold run begins there.

Where programs of others have taken it, the leg is given back at no cost, and the process stays and waits.
As long as it holds the GPU in Ray's books Ray gives it to nobody, so that the leg goes to another.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.trainable import Resources
from orchestrator.execution.gpu_taken import why_taken
from orchestrator.execution.worker import FoldRunWorker, LegAssignment, Outcome
from orchestrator.machine.gpu_memory import Device, own_devices

TURN_S = 1.0  # seconds between two answers of one that waits: whether the study still wants it
FRESH_S = 30.0
"""Seconds for which a look that found room counts for further fold runs of this process: on a machine of many
GPUs a look takes a second or more, and short legs of many processes would stand in line for it."""
LOOK_TURNS = 10  # turns between two looks: nvidia-smi takes a good part of a second


@dataclass(frozen=True)
class GpuTaken:
    """The GPU that a leg was to run on is taken; nothing of the leg was done."""

    trial: int
    fold: int
    epoch: int  # that the fold run has done before
    error: str


@dataclass(frozen=True)
class GpuFree:
    """The GPU that a process waited at has room again."""

    trial: int
    fold: int


class GatedWorker:
    """A FoldRunWorker behind its look at the GPU."""

    def __init__(
        self,
        worker: FoldRunWorker,
        siblings: Callable[[], Sequence[int]],
        look: Callable[[], Sequence[Device]] = own_devices,
        pause: Callable[[float], None] = time.sleep,
        proc: Path = Path("/proc"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """siblings: ids of our processes on this node."""
        self._worker, self._siblings, self._look, self._pause = worker, siblings, look, pause
        self._proc, self._clock = proc, clock
        self._free_at, self._free_for = -math.inf, 0  # the last look that found room, for so many bytes
        self._assignment: LegAssignment | None = None
        self._resources, self._need = Resources(), 0
        self._has_computed = False
        self._taken: GpuTaken | None = None
        self._turns = 0

    def start(self, assignment: LegAssignment, resources: Resources, gpu_bytes: int = 0) -> None:
        """gpu_bytes: of a GPU that the fold run is expected to hold; 0 where nobody knows."""
        self._assignment, self._resources, self._need = assignment, resources, gpu_bytes
        self._taken, self._turns = None, 0
        self._worker.start(assignment, resources)

    def step(self) -> Outcome | GpuTaken | GpuFree:
        """An epoch of the assignment; or that its GPU is taken, again and again, until it is free."""
        if self._taken is not None:
            return self._wait(self._taken)
        assert self._assignment is not None  # start comes first
        if self._resources.gpus and self._worker.begins and (why := self._why_unless_fresh()):
            leg = self._assignment.leg
            self._worker.release()  # what the last fold run left in memory helps nobody now
            self._taken = GpuTaken(leg.trial, leg.fold, leg.start, why)
            return self._taken
        self._has_computed = True
        return self._worker.step()

    def release(self) -> None:
        self._worker.release()

    def _wait(self, taken: GpuTaken) -> GpuTaken | GpuFree:
        self._pause(TURN_S)
        self._turns += 1
        if self._turns % LOOK_TURNS or self._why():
            return taken
        return GpuFree(taken.trial, taken.fold)

    def _why_unless_fresh(self) -> str:
        if self._need <= self._free_for and self._clock() - self._free_at < FRESH_S:
            return ""
        return self._why()

    def _why(self) -> str:
        ours = {os.getpid(), *self._siblings()}
        alone = self._resources.gpus >= 1 and not self._has_computed
        why = why_taken(self._look(), self._need, ours.__contains__, self._is_there, alone)
        if not why:
            self._free_at, self._free_for = self._clock(), self._need
        return why

    def _is_there(self, pid: int) -> bool:
        return (self._proc / str(pid)).exists()

"""The nodes' memory beside a study: where one more fold run has room, and whose fault a death was.

Between `memory_pressure`, which decides, and `NodeMemory`, which looks; knows neither Ray nor the driver.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from orchestrator.core.events import FoldRunKey, LegFailed
from orchestrator.core.failure_causes import cause, gpu_in_use, gpu_is_busy, is_for_memory, own_resident
from orchestrator.core.text import on_one_line
from orchestrator.execution.memory_pressure import (
    Death,
    Expected,
    GpuUse,
    NodePressure,
    gb,
    gpu_is_crowded,
    gpu_slots_that_fit,
    held_by_others,
    holders_text,
    is_own_fault,
)
from orchestrator.execution.on_ray.slots import Node, NodeSlots
from orchestrator.machine.memory import MemoryReading

log = logging.getLogger(__name__)

SAY_AGAIN_S = 60.0  # seconds between two lines on the same node
LOOK_S = 5.0  # seconds between two looks at nodes where nothing starts
TOGETHER_S = 10.0  # deaths on one node within so many seconds are one: Ray ends several at once


class Watch(Protocol):
    """Who looks at the nodes."""

    all_here: bool  # every node is this machine, so that looking costs next to nothing

    def recent(self, node: Node) -> MemoryReading | None:
        """Some seconds old, without waiting; None where nothing is known."""
        ...

    def now(self, node: Node) -> MemoryReading | None: ...

    def gpus(self, node: Node) -> Sequence[GpuUse]:
        """None of them where nothing is known."""
        ...


class MemoryGuard:
    """Of all nodes of one study."""

    def __init__(self, watch: Watch, clock: Callable[[], float] = time.monotonic) -> None:
        self._watch, self._clock = watch, clock
        self._nodes: defaultdict[str, NodePressure] = defaultdict(NodePressure)
        self._said_at: dict[str, float] = {}
        self._last: dict[str, MemoryReading] = {}
        self._looked_at = -LOOK_S
        self._died_at: dict[str, float] = {}  # the last death for memory on each node

    # ---- room ----

    def has_room(self, node: Node, running: int, slots: NodeSlots, expected: Expected | None = None) -> bool:
        """Whether one more fold run may start there beside `running` others. The first time that it may not,
        a line says why. expected: what they will hold, where that is known before they began."""
        pressure, reading = self._nodes[node.id], self._look(node)
        was_full, now = pressure.is_full, self._clock()
        has_room = pressure.has_room(running, now, expected)
        demand = pressure.demand(running, expected)
        if reading is not None and not has_room and not was_full:
            self._say(
                node,
                f"node {node}: memory for {running} of {slots.number} fold runs, about "
                f"{gb(demand / (running + 1))} each; {_holders(reading)}; the others start when there is "
                "room",
            )
        if reading is not None and has_room and running == 0 and expected and demand > reading.room:
            self._say(
                node,
                f"node {node}: the next fold run is expected to hold {gb(demand)} and there is room for "
                f"{gb(max(reading.room, 0))}; it is tried alone (smaller batches or images need less)",
            )
        return has_room and self._has_gpu(node, running, slots)

    def _has_gpu(self, node: Node, running: int, slots: NodeSlots) -> bool:
        if not slots.resources.gpus:
            return True
        fits = gpu_slots_that_fit(self._watch.gpus(node), slots.per_gpu, slots.resources.gpus, running)
        if fits is None or running < fits:
            return True
        self._say(
            node,
            f"node {node}: other processes leave memory of its GPUs for {fits} of {slots.number} fold runs "
            "(see `nvidia-smi`); the others start when there is room",
        )
        return False

    def gpu_memory(self, node: Node) -> int | None:
        """Bytes of the smallest GPU there; None where nothing is known."""
        return min((gpu.total for gpu in self._watch.gpus(node)), default=None)

    def keep_looking(self, nodes: Iterable[Node]) -> None:
        """Asked in every turn: what was there before a death says whose fault it was."""
        if self._watch.all_here and self._clock() - self._looked_at >= LOOK_S:
            self._looked_at = self._clock()
            for node in nodes:
                self._look(node)

    def _look(self, node: Node) -> MemoryReading | None:
        reading = self._watch.recent(node)
        if reading is not None:
            is_new = reading is not self._last.get(node.id)
            self._last[node.id] = reading
            self._nodes[node.id].look(reading.room, reading.ours, is_new)
        return reading

    def reported(self, node: str) -> None:
        """A fold run ended an epoch there."""
        self._nodes[node].reported()

    # ---- deaths ----

    def judge(self, key: FoldRunKey, node: Node, text: str, alone: bool) -> tuple[str, str]:
        """The kind of failure and its cause, of a fold run whose process died while its node lives.

        text: what Ray says; alone: no other fold run of ours is on the node now.
        """
        before, now = self._last.get(node.id), self._watch.now(node)
        by_kernel = before is not None and now is not None and now.ended_by_kernel > before.ended_by_kernel
        said = is_for_memory(text)
        if not (by_kernel or said):
            return "killed", cause(text)
        why = cause(text) if said else "the kernel ended it for memory"
        if is_own_fault(self._death(node, text, alone, before)):
            return "killed", f"{why}; it was alone there and does not fit by itself: make its batches smaller"
        self._nodes[node.id].crowded(self._clock())
        held = "" if now is None else f"; {_holders(now)}"
        self._say(node, f"node {node}: {why}{held}; {key} goes on when there is room")
        return "crowded", f"{why}{held}"

    def _death(self, node: Node, text: str, alone: bool, before: MemoryReading | None) -> Death:
        now = self._clock()
        alone &= now - self._died_at.get(node.id, -TOGETHER_S) >= TOGETHER_S
        self._died_at[node.id] = now
        own = own_resident(text)
        if own is None and alone and before is not None and before.ours:
            own = max(before.ours)
        limit = None if before is None else before.limit
        return Death(own, self._nodes[node.id].best_room, alone, limit)

    def judge_gpu(self, failed: LegFailed, node: Node, siblings: int) -> str:
        """The kind of failure of a leg that ended with one.

        siblings: at most so many other fold runs of ours were on the same GPU.
        """
        if gpu_is_busy(failed.error):
            if siblings:
                return "memory"  # one of ours may have it: with a whole GPU nobody is beside it
            why = "another program has its GPU to itself (compute mode, see `nvidia-smi`)"
            self._nodes[node.id].crowded(self._clock(), by_gpu=True)  # at once it would fail again
            self.gpu_taken(FoldRunKey(failed.trial, failed.fold), node, why)
            return "crowded"
        found = gpu_in_use(failed.error)
        if found is None or not gpu_is_crowded(*found, siblings):
            return failed.failure
        own, total, _ = found
        self._nodes[node.id].crowded(self._clock(), by_gpu=True)
        key = FoldRunKey(failed.trial, failed.fold)
        self._say(
            node,
            f"node {node}: others hold {gb(held_by_others(*found))} of a GPU of {gb(total)}, of which "
            f"{key} had {gb(own)} (see `nvidia-smi`); it goes on later, at no cost to its trial",
        )
        return "crowded"

    def gpu_taken(self, key: FoldRunKey, node: Node, why: str) -> None:
        """A fold run was kept from a GPU there by others."""
        self._say(node, f"node {node}: {key} finds its GPU taken: {why}; it goes on where there is room")

    def _say(self, node: Node, line: str) -> None:
        now = self._clock()
        if now - self._said_at.get(node.id, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._said_at[node.id] = now
            log.warning("%s", line)


def _holders(reading: MemoryReading) -> str:
    holders = [(on_one_line(item.name), on_one_line(item.owner), item.resident) for item in reading.holders]
    return holders_text(reading.limit, reading.used, holders)

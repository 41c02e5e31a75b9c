"""What fold runs cost on the nodes, measured before a search: one node stands for all of its type of GPU.

Where fold runs share GPUs, how many do is decided here too. Nothing of this keeps a search from beginning:
where a measurement fails, a line says so and a fold run has a GPU to itself.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.core.callbacks import Announce, Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.fold_run_cost import CostTable
from orchestrator.core.text import on_one_line
from orchestrator.core.trainable import Resources
from orchestrator.execution.on_ray.node_memory import MARKER
from orchestrator.execution.on_ray.node_setup import NodeSetup
from orchestrator.execution.on_ray.slots import Node, NodeSlots
from orchestrator.execution.packing import Machine, Packing, limit_of, next_to_measure, packing_of, share_of
from orchestrator.execution.probing import measured_costs, rates_together
from orchestrator.execution.worker_environment import in_environment
from orchestrator.inputs.node_images import resolve_on_node
from orchestrator.machine.gpu_memory import gpu_memory
from orchestrator.machine.memory import read_memory

log = logging.getLogger(__name__)

WORKER_BYTES = 125 * 2**20
"""What a process of Ray holds with Tune and without a trainable, unshared; as seen of Ray 2.60."""
NOT_MEASURED = "what a fold run needs could not be measured"
BEGIN_S = 60.0
"""Seconds until a node that has not begun is not waited for: another search may have its GPUs for days."""
LOOK_S = 1.0  # seconds between two looks after that


@dataclass(frozen=True)
class Measured:
    """Of one node. packing: where it was asked for."""

    costs: CostTable | None = None
    packing: Packing | None = None
    rates: Mapping[int, float] = field(default_factory=dict)  # fold runs together -> what they train, of one


@dataclass(frozen=True)
class _Task:
    """What a node is to measure."""

    trainable: str
    dataset: Dataset
    values: Mapping[str, Sequence[Any]]
    resources: Resources  # of one fold run that is alone on its GPU
    slots: int  # fold runs that may run there at once
    machine: Machine | None = None  # given where it is to be decided how many share a GPU
    environment: Mapping[str, str] = field(default_factory=dict)


class _Stream:
    """One node that measures."""

    def __init__(self, node: Node, setup: NodeSetup, task: _Task) -> None:
        strategy = NodeAffinitySchedulingStrategy(node.id, soft=False)
        gpus = 1 if task.machine is not None else 0
        self.node, self.result = node, Measured()
        self.stream = _measure.options(num_gpus=gpus, scheduling_strategy=strategy).remote(task)
        self.done, self.total = 0, 0
        self.has_begun = False

    def take_message(self, say: Announce) -> bool:
        """Called when `ray.wait` reports that one is there. Whether more will come."""
        try:
            message = ray.get(next(self.stream))
        except StopIteration:
            return False
        except ray.exceptions.RayError as error:
            say(f"node {self.node}: {NOT_MEASURED} ({on_one_line(str(error).splitlines()[0])})")
            return False
        self.has_begun = True
        if isinstance(message, Measured):
            self.result = message
        elif isinstance(message, str):
            say(message)
        else:
            self.done, self.total = message
        return True

    def give_up(self, say: Announce) -> None:
        ray.cancel(self.stream)
        say(f"node {self.node}: {NOT_MEASURED}: no GPU of it was free for {BEGIN_S:g} seconds")


def measure(
    nodes: Mapping[Node, NodeSlots],
    setup: NodeSetup,
    shares: bool,
    environments: Mapping[str, Mapping[str, str]],
    progress: Progress,
    say: Announce,
    cpus_each: int | None = None,
) -> dict[Node, Measured]:
    """Each of the nodes, all at once. shares: whether to decide how many fold runs share a GPU of theirs.
    environments: node id -> what programs there need in their environment."""
    streams = []
    for node, slots in nodes.items():
        task = task_of(node, slots, setup, shares, environments.get(node.id, {}), cpus_each)
        streams.append(_Stream(node, setup, task))
    waiting, until = {stream.stream: stream for stream in streams}, time.monotonic() + BEGIN_S
    while waiting:
        for ready in ray.wait(list(waiting), timeout=max(until - time.monotonic(), LOOK_S))[0]:
            if not waiting[ready].take_message(say):
                del waiting[ready]
        if time.monotonic() >= until:
            for late in [stream for stream in waiting.values() if not stream.has_begun]:
                late.give_up(say)
                del waiting[late.stream]
        if total := sum(stream.total for stream in streams):
            progress(sum(stream.done for stream in streams), total)
    return {stream.node: stream.result for stream in streams}


def task_of(
    node: Node,
    slots: NodeSlots,
    setup: NodeSetup,
    shares: bool,
    environment: Mapping[str, str],
    cpus_each: int | None,
) -> _Task:
    """What it is to measure; the memory of its GPU it will see itself."""
    machine = Machine(int(node.gpus), 0, cpus=node.cpus, cpus_each=cpus_each) if shares else None
    return _Task(
        setup.trainable, setup.dataset, setup.values, slots.resources, slots.number, machine, environment
    )


# ---- on the node ----------------------------------------------------------------------------------


@ray.remote(num_cpus=0, num_returns="streaming", max_retries=0)  # type: ignore[untyped-decorator]
def _measure(task: _Task) -> Iterator[Any]:
    """Yields (done, total), lines to tell, then a Measured."""
    yield 0, 0  # it has begun
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            with in_environment(task.environment):
                messages.put(measured(task, lambda *at: messages.put(at), messages.put))
        except Exception as error:
            reason = on_one_line(f"{type(error).__name__}: {error}")
            messages.put(f"{NOT_MEASURED}: {reason}")
        messages.put(None)

    threading.Thread(target=work, daemon=True).start()
    while (message := messages.get()) is not None:
        yield message


def measured(task: _Task, progress: Progress, say: Announce) -> Measured:
    """On this machine, with the GPU that this process may see."""
    dataset = resolve_on_node(task.dataset)
    reading = read_memory(os.getppid(), MARKER)  # the parent of Ray's workers is their node's raylet
    room = None if reading is None else reading.room
    costs = measured_costs(
        task.trainable,
        dataset,
        task.values,
        task.resources,
        task.slots,
        room,
        progress,
        WORKER_BYTES,
        say,
    )
    if task.machine is None:
        return Measured(costs)
    cards = gpu_memory(())
    if costs is None or not cards:
        reason = NOT_MEASURED if cards else "how much memory the GPU has is not known"
        return Measured(costs, Packing(1, reason))

    def rate(together: int, at_most: int) -> float | None:
        given = (task.trainable, dataset, task.values, task.resources, together, room, WORKER_BYTES)
        return rates_together(*given, say=say, at_most=at_most)

    total, used, _ = min(cards)
    return packed(costs, machine_of(task.machine, total, used, room), rate)


def machine_of(machine: Machine, total: int, used: int, room: int | None) -> Machine:
    """With what its node sees: bytes of the GPU, those in use by others, and those of its own memory."""
    return Machine(machine.gpus, total, used, machine.cpus, room, machine.cpus_each)


def packed(costs: CostTable, machine: Machine, rate: Callable[[int, int], float | None]) -> Measured:
    """How many share a GPU. rate: measures so many together that hold at most so many bytes of it each, in
    units of one alone; None where they fail."""
    all_costs = costs.costs
    # Of one that did not fit the sizes are what it held when it failed: it wants the whole GPU.
    device = share_of([cost.device_bytes if cost.fits else machine.gpu_memory for cost in all_costs])
    limit = limit_of(machine, device, share_of([cost.resident_bytes for cost in all_costs]))
    rates: dict[int, float] = {}
    while (together := next_to_measure(limit, rates)) is not None:
        found = rate(together, device)
        if found is None:
            break
        rates[together] = found
    return Measured(costs, packing_of(limit, rates), rates)


def line_of(gpu_type: str, packing: Packing) -> str:
    """For the user."""
    runs = "1 fold run" if packing.per_gpu == 1 else f"{packing.per_gpu} fold runs"
    return f"GPUs: {runs} on each {on_one_line(gpu_type) or 'GPU'}: {packing.reason}"

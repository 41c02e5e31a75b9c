"""The driver's race and the cluster's nodes brought together: which leg goes where, and what is gone.

It knows the driver, the pool and the monitor of the nodes, and no Tune.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from orchestrator.cli.signals import raise_if_interrupted
from orchestrator.core.events import EpochEnded, FoldRunKey, Leg, LegFailed
from orchestrator.core.failure_causes import cause, is_gpu_fault
from orchestrator.core.fold_run_cost import CostTable, FoldRunCost
from orchestrator.execution.driver import Driver
from orchestrator.execution.gated_worker import GpuTaken
from orchestrator.execution.memory_pressure import Expected
from orchestrator.execution.on_ray.memory_guard import MemoryGuard
from orchestrator.execution.on_ray.node_pool import NodePool, Placement, Shares
from orchestrator.execution.on_ray.slots import Node, NodeSlots, ResourceRequest, slots_of
from orchestrator.execution.packing import shares_after, shares_needed
from orchestrator.execution.worker import LegAssignment, Outcome

log = logging.getLogger(__name__)

SILENT_POLLS = 10  # polls of the nodes until one that did not answer is asked again


class Monitor(Protocol):
    """Who watches the nodes."""

    def poll(self) -> tuple[list[Node], set[str] | None]:
        """Nodes that have become ready, and the ids of all that are alive (None where it did not ask now)."""
        ...

    def answers(self, node: Node) -> bool:
        """Whether it is there, asked at once."""
        ...


class LegScheduler:
    """Runs one study's legs on nodes that come and go."""

    def __init__(
        self,
        driver: Driver,
        pool: NodePool,
        monitor: Monitor,
        request: ResourceRequest,
        on_gpus: bool,
        memory: MemoryGuard | None = None,
        costs: CostTable | None = None,
        environments: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """on_gpus: whether fold runs use GPUs; decided when the study was opened, for late nodes too.
        memory: who minds the nodes' memory; None: nobody. costs: what fold runs will hold, where it was
        measured. environments: node id -> what its processes need to share GPUs through a daemon of ours."""
        self._driver, self._pool, self._monitor = driver, pool, monitor
        self._request, self._on_gpus = request, on_gpus
        self._memory, self._costs = memory, costs
        self._environments = {} if environments is None else environments
        self._silent: dict[str, Node] = {}  # did not answer, though the head believes they are there
        self.gone: set[str] = set()  # ids of nodes that will not come back
        self._polls = 0
        self._has_no_node = False

    @property
    def done(self) -> bool:
        return self._driver.done

    # ---- legs ----

    def next(self) -> tuple[LegAssignment, Placement] | None:
        """The race's next leg and where it goes, in the journal as started; None when none can start."""
        if not self._pool.slots:
            return None
        leg = self._driver.coming()
        if leg is None:
            return None
        self._look_at_memory(leg)
        placement = self._pool.find(leg, self._shares(leg.trial), self._driver.left_after(leg))
        if placement is None:
            return None
        assignment = self._driver.start(leg, placement.node.host)
        self._pool.occupy(leg, placement)
        return assignment, placement

    def environment_on(self, node: Node) -> Mapping[str, str]:
        """What a process there needs in its environment."""
        return self._environments.get(node.id, {})

    def _look_at_memory(self, leg: Leg) -> None:
        """Before `leg` is given a slot."""
        if self._memory is None:
            return
        before, nodes, full = self._pool.usable_slots, self._pool.nodes, []
        coming = self._resident(leg.trial)
        for node, (running, slots) in self._pool.with_free_slots().items():
            if not self._memory.has_room(nodes[node], running, slots, self._expected(node, coming)):
                full.append(node)
        self._pool.mark_full(full)
        if self._pool.usable_slots != before:
            self._driver.use_slots(self._pool.usable_slots)

    def _shares(self, trial: int) -> Shares:
        """What its fold runs take of each node's GPUs: as much as was measured, twice as much each time that
        it was too little."""
        failures, cost = self._driver.gpu_failures(trial), self._cost(trial)
        held = 0 if cost is None else cost.device_bytes

        def on(node: str) -> int:
            per_gpu = self._pool.per_gpu(node)
            if per_gpu == 1 or not (failures or held):
                return 1
            memory = None if self._memory is None else self._memory.gpu_memory(self._pool.nodes[node])
            return shares_after(failures, shares_needed(held, memory, per_gpu), memory, per_gpu)

        return on

    def _expected(self, node: str, coming: int | None) -> Expected | None:
        legs = self._pool.legs_on(node)
        running = [self._resident(key.trial) for key in legs]
        if coming is None or None in running:
            return None
        return Expected(tuple(size or 0 for size in running), coming, all(legs.values()))

    def _resident(self, trial: int) -> int | None:
        """Bytes of memory that its fold runs are expected to hold; None where nobody knows."""
        cost = self._cost(trial)
        return None if cost is None else cost.resident_bytes

    def _cost(self, trial: int) -> FoldRunCost | None:
        return None if self._costs is None else self._costs.of(self._driver.config_of(trial))

    def ready(self, key: FoldRunKey) -> None:
        """Its process has started."""
        self._pool.started(key)
        self._driver.ready(key)

    def report(self, outcome: Outcome) -> bool:
        """What a worker sent; whether it goes on with its leg, or with the next one of the same fold run."""
        key = FoldRunKey(outcome.trial, outcome.fold)
        if isinstance(outcome, EpochEnded):
            self._pool.reported(key, outcome.epoch, outcome.seconds)
            if self._memory is not None:
                self._memory.reported(self._pool.node_of(key))
        elif isinstance(outcome, LegFailed):
            outcome = self._judged(outcome)
        answer = self._driver.report(outcome)
        if not answer.goes_on:
            self._pool.release(key)
        elif answer.assignment is not None:
            self._pool.continue_with(answer.assignment.leg)
        return answer.goes_on

    def leave_gpu(self, taken: GpuTaken) -> int:
        """A fold run found its GPU taken before it began: it goes on elsewhere, or later, at no cost to its
        trial. Its process stays there and waits. Returns what `let_go` knows it by."""
        key = FoldRunKey(taken.trial, taken.fold)
        node = self._pool.nodes.get(self._pool.node_of(key))
        hold = self._pool.hold(key)
        if self._memory is not None and node is not None:
            self._memory.gpu_taken(key, node, taken.error)
        self._driver.report(LegFailed(taken.trial, taken.fold, taken.epoch, "crowded", taken.error))
        self._driver.use_slots(self._pool.usable_slots)
        return hold

    def let_go(self, hold: int) -> None:
        """A process that waited at a GPU has ended, or the GPU is free."""
        self._pool.let_go(hold)
        self._driver.use_slots(self._pool.usable_slots)

    def gpu_bytes(self, trial: int) -> int:
        """Of a GPU that a fold run of it is expected to hold; 0 where nobody knows."""
        cost = self._cost(trial)
        return 0 if cost is None else cost.device_bytes

    def lost(self, key: FoldRunKey, text: str) -> None:
        """The process of a fold run died: with its node, which is nobody's fault, or alone."""
        alone = self._pool.running_on(self._pool.node_of(key)) == 1
        self._pool.release(key)
        kind, why = "lost", cause(text)
        if self._still_there(key):
            kind = "killed"
            if self._memory is not None:
                kind, why = self._memory.judge(key, self._pool.nodes[self._pool.node_of(key)], text, alone)
        self._driver.lost(key, kind, why, text)

    def _judged(self, failed: LegFailed) -> LegFailed:
        """A leg that failed for a GPU's memory is not to blame where others hold it, and one that failed by
        a fault of the GPU not where it had a part of one through a daemon: the fault of one ends all."""
        key = FoldRunKey(failed.trial, failed.fold)
        node = self._pool.nodes.get(self._pool.node_of(key))
        if node is not None and self.environment_on(node) and is_gpu_fault(failed.error):
            return replace(failed, failure="memory") if self._pool.has_a_part(key) else failed
        if self._memory is None or node is None:
            return failed
        return replace(failed, failure=self._memory.judge_gpu(failed, node, self._pool.siblings(key)))

    def lost_all(self, text: str) -> None:
        """Nothing that was under way will report any more."""
        self._pool.let_all_go()
        for key in self._driver.running_keys():
            self._pool.release(key)
            self._driver.lost(key, "lost", cause(text), text)

    def idle_slots(self, node: str, gpus: float) -> int:
        """How many idle processes that hold `gpus` GPUs each a node may keep for the legs to come."""
        return self._pool.slots_for(node, gpus)

    # ---- nodes ----

    def poll_nodes(self) -> None:
        """Takes note of nodes that came and went. Raises a KeyboardInterrupt that Ray has dropped."""
        raise_if_interrupted()  # in every turn of Tune's loop, and outside Ray
        ready, alive = self._monitor.poll()
        for node in ready:
            self._admit(node)
        if alive is not None:
            self._compare(alive)
        self._note_waiting()
        if self._memory is not None:
            self._memory.keep_looking(self._pool.nodes.values())

    def _compare(self, alive: set[str]) -> None:
        for name in sorted({*self._pool.nodes, *self._silent} - alive):
            self.gone.add(name)
            if self._silent.pop(name, None) is None:
                self._drop(self._pool.nodes[name])
        self._polls += 1
        if self._polls % SILENT_POLLS == 0:  # one that does not answer takes seconds to ask
            for node in [node for node in self._silent.values() if self._monitor.answers(node)]:
                del self._silent[node.id]
                self._admit(node)

    def _still_there(self, key: FoldRunKey) -> bool:
        """Whether the node of a fold run whose process died lives on."""
        node = self._pool.nodes.get(self._pool.node_of(key))
        if node is None:
            return False
        if not self._monitor.answers(node):
            self._silent[node.id] = node
            self._drop(node)
            return False
        return True

    def _drop(self, node: Node) -> None:
        log.warning("node %s is gone; its fold runs go on elsewhere", node)
        self._pool.drop(node.id)
        self._driver.use_slots(self._pool.slots)

    def _admit(self, node: Node) -> None:
        slots = slots_of(node, self._request, self._on_gpus)
        if slots.number:
            self._pool.admit(node, slots)
            self._driver.use_slots(self._pool.slots)
            log.warning("node %s joined: %d more slots", node, slots.number)

    def _note_waiting(self) -> None:
        has_no_node = not self._pool.slots
        if has_no_node and not self._has_no_node:
            log.warning("no node is left to run on; waiting for one to join (Ctrl-C saves and ends)")
        self._has_no_node = has_no_node


def new_node_pool(nodes: Sequence[Node], slots: Mapping[str, NodeSlots]) -> NodePool:
    """A pool of the nodes that have slots. slots: node id -> what it has."""
    pool = NodePool()
    for node in nodes:
        if node.id in slots:
            pool.admit(node, slots[node.id])
    return pool

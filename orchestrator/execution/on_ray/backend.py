"""One study on the connected Ray: sized up, made ready, run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ray

from orchestrator.core.callbacks import Announce, Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.disk_needs import DiskNeeds
from orchestrator.core.fold_run_cost import CostTable
from orchestrator.core.trainable import Parameter
from orchestrator.execution.driver import Driver
from orchestrator.execution.on_ray import cluster
from orchestrator.execution.on_ray.head_store import store_for_workers
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler, new_node_pool
from orchestrator.execution.on_ray.measuring import NOT_MEASURED, Measured, line_of, measure
from orchestrator.execution.on_ray.memory_guard import MemoryGuard
from orchestrator.execution.on_ray.mps_keepers import MpsKeepers
from orchestrator.execution.on_ray.node_memory import NodeMemory
from orchestrator.execution.on_ray.node_setup import NodeMonitor, NodeSetup, prepare_nodes
from orchestrator.execution.on_ray.slots import Node, ResourceRequest, allocate_slots, slots_of
from orchestrator.execution.on_ray.tune_adapter import run_on_tune
from orchestrator.execution.packing import Packing
from orchestrator.machine.node_facts import gather
from orchestrator.storage.contract import CheckpointStore


class OnRay:
    """The connected Ray, whose nodes may come and go."""

    def __init__(self, request: ResourceRequest, shares_disk: bool) -> None:
        """shares_disk: every node has the driver's disk, as those of a Ray of our own do.

        Raises InputError where no node has what a fold run is to get.
        """
        self._request, self._shares_disk = request, shares_disk
        self._known = cluster.alive_nodes()
        slots = allocate_slots(self._known, request)
        self._pool = new_node_pool(self._known, slots)
        self._keepers = MpsKeepers()
        self._costs: CostTable | None = None
        self.packings: dict[str, Packing] = {}
        self.gpus = max(node.resources.gpus for node in slots.values())
        self._setup: NodeSetup | None = None

    @property
    def slots(self) -> int:
        """Those of the nodes in use now."""
        return self._pool.slots

    def describe(self, trainable: str) -> Mapping[str, Parameter]:
        return cluster.describe(trainable)

    def disk_needs(
        self, trainable: str, dataset: Dataset, values: Mapping[str, Sequence[Any]]
    ) -> DiskNeeds | None:
        return cluster.disk_needs(trainable, dataset, values)

    def prepare(
        self,
        trainable: str,
        dataset: Dataset,
        values: Mapping[str, Sequence[Any]],
        store: CheckpointStore,
        progress: Progress,
    ) -> Sequence[str]:
        """Makes every node with slots ready. Raises InputError naming those that cannot be."""
        own = ray.get_runtime_context().get_node_id()
        reached = store if self._shares_disk else store_for_workers(store)
        self._setup = NodeSetup(trainable, dataset, values, reached, gather(trainable), own)
        told: list[str] = []
        ready = prepare_nodes(list(self._pool.nodes.values()), self._setup, progress, told.append)
        for node in set(self._pool.nodes) - {node.id for node in ready}:
            self._pool.drop(node)
        return list(dict.fromkeys(told))  # nodes that hold the same images tell the same of them

    def measure(self, progress: Progress, say: Announce) -> None:
        """What fold runs need there, and how many share a GPU of each type; said in a line each."""
        assert self._setup is not None  # prepare comes first
        if not self.gpus:
            self._measure(_first_of_each([self._largest()]), False, progress, say)
            return
        asked = [node for node in self._pool.nodes.values() if self._request.gpus_on(node) is None]
        shared = [
            node for node in self._pool.nodes.values() if node in asked or self._pool.per_gpu(node.id) > 1
        ]
        if shared:
            self._keepers.start(shared)
        if asked:
            self._share(self._measure(_first_of_each(asked), True, progress, say), say)
        several = [node for node in shared if self._pool.per_gpu(node.id) > 1]
        self._keepers.stop([node.id for node in shared if node not in several])
        self._keepers.say_where_not(several, say)

    def _measure(
        self, nodes: Sequence[Node], shares: bool, progress: Progress, say: Announce
    ) -> dict[Node, Measured]:
        assert self._setup is not None  # prepare comes first
        slots = {node: self._pool.slots_of(node.id) for node in nodes}
        cpus, environments = self._request.cpus, self._keepers.environments
        found = measure(slots, self._setup, shares, environments, progress, say, cpus)
        self._costs = next((item.costs for item in found.values() if item.costs is not None), None)
        return found

    def _largest(self) -> Node:
        """That with the most slots: where memory is most likely to run short."""
        return max(self._pool.nodes.values(), key=lambda node: self._pool.slots_of(node.id).number)

    def _share(self, found: Mapping[Node, Measured], say: Announce) -> None:
        for node, item in found.items():
            packing = item.packing or Packing(1, NOT_MEASURED)
            self.packings[node.gpu_type] = packing
            say(line_of(node.gpu_type, packing))
        by_type = {gpu_type: packing.gpus_each for gpu_type, packing in self.packings.items()}
        self._request = replace(self._request, by_type={**self._request.by_type, **by_type})
        for node in self._pool.nodes.values():
            self._pool.admit(node, slots_of(node, self._request, on_gpus=True))

    def close(self) -> None:
        """Ends what runs beside the fold runs."""
        self._keepers.stop()

    def run(self, driver: Driver) -> None:
        """To the race's end. Raises OrchestratorError."""
        assert self._setup is not None  # prepare comes first
        monitor = NodeMonitor(self._known, self._setup)
        memory = MemoryGuard(NodeMemory(all_here=self._shares_disk))
        scheduler = LegScheduler(
            driver,
            self._pool,
            monitor,
            self._request,
            self.gpus > 0,
            memory,
            self._costs,
            self._keepers.environments,
        )
        run_on_tune(driver, self._setup, scheduler, self._shares_disk)


def _first_of_each(nodes: Sequence[Node]) -> list[Node]:
    """One node of each type of GPU."""
    return list({node.gpu_type: node for node in reversed(nodes)}.values())

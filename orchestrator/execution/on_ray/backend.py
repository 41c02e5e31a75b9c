"""One study on the connected Ray: sized up, made ready, run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ray

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.disk_needs import DiskNeeds
from orchestrator.core.trainable import Parameter
from orchestrator.execution.driver import Driver
from orchestrator.execution.on_ray import cluster
from orchestrator.execution.on_ray.head_store import store_for_workers
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler, new_node_pool
from orchestrator.execution.on_ray.memory_guard import MemoryGuard
from orchestrator.execution.on_ray.node_memory import NodeMemory
from orchestrator.execution.on_ray.node_setup import NodeMonitor, NodeSetup, prepare_nodes
from orchestrator.execution.on_ray.slots import ResourceRequest, allocate_slots
from orchestrator.execution.on_ray.tune_adapter import run_on_tune
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

    def run(self, driver: Driver) -> None:
        """To the race's end. Raises OrchestratorError."""
        assert self._setup is not None  # prepare comes first
        monitor = NodeMonitor(self._known, self._setup)
        memory = MemoryGuard(NodeMemory(all_here=self._shares_disk))
        scheduler = LegScheduler(driver, self._pool, monitor, self._request, self.gpus > 0, memory)
        run_on_tune(driver, self._setup, scheduler)

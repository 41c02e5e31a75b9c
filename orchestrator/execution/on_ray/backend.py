"""One study on the connected Ray: sized up, made ready, run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ray

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Parameter
from orchestrator.execution.driver import Driver
from orchestrator.execution.on_ray import cluster
from orchestrator.execution.on_ray.head_store import store_for_workers
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler, new_node_pool
from orchestrator.execution.on_ray.node_setup import NodeMonitor, NodeSetup, prepare_nodes
from orchestrator.execution.on_ray.slots import ResourceRequest, allocate_slots
from orchestrator.execution.on_ray.tune_adapter import run_on_tune
from orchestrator.machine.node_facts import gather
from orchestrator.storage.contract import CheckpointStore


class OnRay:
    """joined: a Ray that others started, whose nodes may come and go; False: one of our own, here."""

    def __init__(self, share: ResourceRequest, joined: bool) -> None:
        """Raises InputError where no node has what a fold run is to get."""
        self._share, self._joined = share, joined
        self._nodes = {node.id: node for node in cluster.alive_nodes()}
        self._seats = allocate_slots(list(self._nodes.values()), share)
        self.slots = sum(seats.number for seats in self._seats.values())
        self.gpus = max(seats.resources.gpus for seats in self._seats.values())
        self._job: NodeSetup | None = None

    def describe(self, trainable: str) -> Mapping[str, Parameter]:
        return cluster.describe(trainable)

    def prepare(
        self,
        trainable: str,
        dataset: Dataset,
        values: Mapping[str, Sequence[Any]],
        store: CheckpointStore,
        progress: Progress,
    ) -> None:
        """Makes every node with seats ready. Raises InputError naming those that cannot be."""
        own = ray.get_runtime_context().get_node_id()
        reached = store_for_workers(store) if self._joined else store
        self._job = NodeSetup(trainable, dataset, values, reached, gather(trainable), own)
        ready = prepare_nodes([self._nodes[node] for node in self._seats], self._job, progress)
        self._seats = {node.id: self._seats[node.id] for node in ready}
        self.slots = sum(seats.number for seats in self._seats.values())

    def run(self, driver: Driver) -> None:
        """To the race's end. Raises OrchestratorError."""
        assert self._job is not None  # prepare comes first
        watch = NodeMonitor(list(self._nodes.values()), self._job)
        fleet = new_node_pool(self._nodes, self._seats)
        run_on_tune(driver, self._job, LegScheduler(driver, fleet, watch, self._share, self.gpus > 0))

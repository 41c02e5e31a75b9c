"""Reports a second through Ray Tune: its loop without processes at any number of fold runs, and real actors.

    python -m benchmarks.tune_rate                    # both, some minutes
    python -m benchmarks.tune_rate --slots 8 64 --actors 0

Without processes: see benchmarks.no_actors.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

import ray
from ray.cluster_utils import Cluster

from benchmarks.no_actors import no_processes
from benchmarks.synthetic_study import TRAINABLE, Size, make_study
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, Event, LegStarted
from orchestrator.core.trainable import Resources
from orchestrator.execution.driver import Driver
from orchestrator.execution.on_ray.cluster import alive_nodes, connect
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler, new_node_pool
from orchestrator.execution.on_ray.node_pool import NodePool
from orchestrator.execution.on_ray.node_setup import NodeSetup
from orchestrator.execution.on_ray.slots import Node, NodeSlots, ResourceRequest, allocate_slots
from orchestrator.execution.on_ray.tune_adapter import run_on_tune
from orchestrator.machine.node_facts import gather
from orchestrator.race import RaceConfig, make_race
from orchestrator.sampling import make_sampler
from orchestrator.study.study import Study

PER_NODE = 8
SLOTS = (8, 64, 256, 1000)


class Marks:
    """A view that notes when what happened."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.ended: list[float] = []

    def on_event(self, event: Event, decisions: object, now: float) -> None:
        if isinstance(event, LegStarted):
            self.began.append(time.perf_counter())
        elif isinstance(event, EpochEnded):
            self.ended.append(time.perf_counter())

    def rate(self) -> float:
        """Reports a second, the first and the last quarter left out."""
        quarter = len(self.ended) // 4
        return (len(self.ended) - 2 * quarter - 1) / (self.ended[-1 - quarter] - self.ended[quarter])


class Unstored(Driver):
    """Nothing was trained, so a complete trial has nothing to be put together from."""

    def _complete(self, trial: int) -> None:
        """Nothing."""


def driver_of(study: Study, dataset: Dataset, size: Size, view: Marks) -> Driver:
    race = make_race("exhaustive", RaceConfig(trials=size.trials, folds=size.folds, max_t=size.epochs))
    return Unstored(race, study, make_sampler("random", study.space, 0), dataset, view)


def setup_of(dataset: Dataset, driver: Driver) -> NodeSetup:
    own = ray.get_runtime_context().get_node_id()
    return NodeSetup(TRAINABLE, dataset, {}, driver.store, gather(TRAINABLE), own)


def size_of(slots: int, legs: int, epochs: int) -> Size:
    """legs: for each slot."""
    return Size(-(-slots * legs // 5), 5, epochs, slots)


# ---- Tune's loop, no processes ----


class Steady:
    """Nodes that neither come nor go."""

    def poll(self) -> tuple[list[Node], set[str] | None]:
        return [], None

    def answers(self, node: Node) -> bool:
        return True


def pool_of(slots: int) -> NodePool:
    pool = NodePool()
    for number in range(-(-slots // PER_NODE)):
        slots_here = NodeSlots(Resources(1, 1.0), min(PER_NODE, slots - number * PER_NODE))
        pool.admit(Node(f"node{number}", f"host{number}", PER_NODE, float(PER_NODE)), slots_here)
    return pool


def loop_rate(folder: Path, size: Size) -> float:
    """Reports a second through Tune, scheduler, driver and journal."""
    study, dataset = make_study(folder, size)
    marks = Marks()
    driver = driver_of(study, dataset, size, marks)
    scheduler = LegScheduler(driver, pool_of(size.slots), Steady(), ResourceRequest(), on_gpus=True)
    with no_processes():
        run_on_tune(driver, setup_of(dataset, driver), scheduler)
    assert len(marks.ended) == size.trials * size.folds * size.epochs
    study.close()
    return marks.rate()


# ---- real actors on simulated nodes ----


def actor_rates(folder: Path, size: Size) -> tuple[float, float]:
    """Reports a second with warm actors; seconds from the first leg's start until all slots have reported."""
    study, dataset = make_study(folder, size)
    marks = Marks()
    driver = driver_of(study, dataset, size, marks)
    request = ResourceRequest(gpus=0.0, cpus=1)
    nodes = alive_nodes()
    pool = new_node_pool(nodes, allocate_slots(nodes, request))
    assert pool.slots == size.slots, f"{pool.slots} slots instead of {size.slots}"
    run_on_tune(
        driver, setup_of(dataset, driver), LegScheduler(driver, pool, Steady(), request, on_gpus=False)
    )
    study.close()
    return marks.rate(), marks.ended[size.slots - 1] - marks.began[0]


@contextmanager
def simulated_nodes(nodes: int, slots: int) -> Iterator[None]:
    """A Ray of several nodes on this machine, each with its share of made-up CPUs."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder  # in /tmp/ray it would become what --address auto finds
        cluster = Cluster()
        try:
            for number in range(nodes):
                dashboard = False if number else None
                cluster.add_node(num_cpus=slots // nodes, num_gpus=0, include_dashboard=dashboard)
            cluster.wait_for_nodes()
            with connect(cluster.address):
                yield
        finally:
            cluster.shutdown()


def report(slots: Sequence[int], actors: int, nodes: int, sync: bool = True) -> None:
    if slots:
        print("Tune's loop without processes, journal and all: reports/s inside legs; ending legs (warm)")
        with connect(None, cpus=2):
            for number in slots:
                rates = []
                for size in (
                    size_of(number, 1, max(3, 3000 // number)),
                    size_of(number, max(2, 3000 // number), 1),
                ):
                    with tempfile.TemporaryDirectory() as name, nullcontext() if sync else patch("os.fsync"):
                        rates.append(loop_rate(Path(name), size))
                text = ", ".join(f"{rate:7.0f}/s ({1e3 / rate:5.2f} ms)" for rate in rates)
                print(f"  {number:5} fold runs at once: {text}", flush=True)
    if actors:
        print(f"{actors} real actors (no-op fold runs) on {nodes} simulated nodes")
        with simulated_nodes(nodes, actors):
            for epochs, legs in ((10, 5), (1, 30)):
                with tempfile.TemporaryDirectory() as name:
                    rate, cold = actor_rates(Path(name), size_of(actors, legs, epochs))
                print(
                    f"  legs of {epochs:2} epochs: {rate:7.0f} reports/s; all {actors} slots had reported "
                    f"{cold:.1f} s after the first leg's start ({actors / cold:.2f} cold actors/s)",
                    flush=True,
                )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--slots", type=int, nargs="*", default=SLOTS, help="fold runs at once, no processes")
    parser.add_argument("--actors", type=int, default=8, help="real ones; 0: none")
    parser.add_argument("--nodes", type=int, default=4, help="simulated, for the real actors")
    options = parser.parse_args(argv)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Ray {ray.__version__}")
    report(options.slots, options.actors, options.nodes)


if __name__ == "__main__":
    main()

"""Checkpoints in a directory, through the head-node store and in S3: MB/s, and what a fold run notices.

    python -m benchmarks.storage                  # about twelve minutes, most of it fold runs
    python -m benchmarks.storage --rounds 1 --legs 0      # throughput alone
    python -m benchmarks.storage --rounds 0 --legs 0      # deletions alone

A worker on a second Ray node of this machine puts and gets a file of 100 MB in each store, one store after
the other in every round; then it runs fold runs whose resume state has that size and whose epochs take some
ten seconds of one core. The S3 server is moto's, in a process of its own on the loopback; the head-node store
goes from one node's object store to the other's over the loopback. All of it happens on this machine: the
figures are of the software, not of a network.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from benchmarks.drawn_data import drawn_dataset
from benchmarks.no_op import NoOp
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, Leg
from orchestrator.core.trainable import Resources
from orchestrator.execution.on_ray.head_store import store_for_workers
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.storage import DirectoryStore, UriStore
from orchestrator.storage.contract import CheckpointStore

SIZE = 100_000_000
EPOCHS = 4
MATRIX = 384
TRIALS = 11
"""Of the deletions; the first, which connects, is not counted."""


class Heavy(NoOp):
    """Epochs of a fixed amount of arithmetic on one core, and a resume state of SIZE bytes."""

    training_s = 0.0
    """Of all epochs in this process."""

    def __init__(self, dataset: Dataset, fold: int, config: Any, *rest: Any) -> None:
        super().__init__(dataset, fold, config, *rest)
        self._products = config["products"]
        self._state = np.random.default_rng(0).bytes(SIZE)
        self._probabilities[:] = 1.0 / self._probabilities.shape[1]

    def run_epoch(self) -> dict[str, float]:
        started = time.perf_counter()
        multiply(self._products)
        Heavy.training_s += time.perf_counter() - started
        return super().run_epoch()

    def state(self) -> bytes:
        return bytes(bytearray(self._state))  # serialising makes a copy, too


def multiply(times: int) -> None:
    matrix = np.full((MATRIX, MATRIX), 1.0 / MATRIX, np.float32)
    for _ in range(times):
        matrix = matrix @ matrix


@ray.remote(num_cpus=1)
class Worker:
    """A process on the second node."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._data = np.random.default_rng(0).bytes(SIZE)

    def calibrate(self) -> float:
        """Products of matrices per second on one core, at best: others only make it slower."""
        times = []
        for _ in range(7):
            started = time.perf_counter()
            multiply(1000)
            times.append(time.perf_counter() - started)
        return 1000 / min(times)

    def throughput(self, store: CheckpointStore) -> tuple[float, float]:
        """MB/s of one put and of one get."""
        name = "t0000-f0/resume-e0001.pt"
        times = [time.perf_counter()]
        store.put(name, self._data)
        times.append(time.perf_counter())
        found = store.get(name)
        times.append(time.perf_counter())
        assert found == self._data
        store.delete(name)
        return SIZE / 1e6 / (times[1] - times[0]), SIZE / 1e6 / (times[2] - times[1])

    def leg(self, store: CheckpointStore, products: int) -> tuple[float, float]:
        """Seconds of a leg of EPOCHS epochs, and those of them in which nothing trained."""
        from benchmarks.storage import Heavy as Trained  # the class that FoldRunWorker imports

        worker = FoldRunWorker(self._dataset, "benchmarks.storage:Heavy", store, Resources())
        worker.start(LegAssignment(Leg(0, 0, 0, EPOCHS), {"lr": 0.1, "products": products}, EPOCHS, 0, None))
        started, trained = time.perf_counter(), Trained.training_s
        outcomes = [worker.step() for _ in range(EPOCHS)]
        wall = time.perf_counter() - started
        assert all(isinstance(outcome, EpochEnded) for outcome in outcomes), outcomes
        worker.release()
        for name in store.names("t0000-f0/"):
            store.delete(name)
        return wall, wall - (Trained.training_s - trained)


@contextmanager
def s3_bucket() -> Iterator[str]:
    """The URI of a bucket of a moto server in a process of its own."""
    code = (
        "import sys, boto3; from moto.server import ThreadedMotoServer\n"
        "server = ThreadedMotoServer('127.0.0.1', 0, verbose=False); server.start()\n"
        "url = 'http://%s:%s' % server.get_host_and_port()\n"
        "boto3.client('s3', endpoint_url=url, region_name='us-east-1').create_bucket(Bucket='bench')\n"
        "print(url, flush=True); sys.stdin.read()"
    )
    os.environ.update(
        AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_EC2_METADATA_DISABLED="true"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None  # as asked for
    try:
        url = process.stdout.readline().strip()
        yield f"s3://bench?region=us-east-1&endpoint_override={url}"
    finally:
        process.stdin.close()
        process.wait()


@contextmanager
def two_nodes() -> Iterator[str]:
    """Ray's id of a second node; the driver is on the first."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    node = {"num_cpus": 1, "object_store_memory": 1_000_000_000}
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder  # in /tmp/ray it would become what --address auto finds
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            ray.init(address=cluster.address, log_to_driver=False)
            yield cluster.add_node(**node).node_id
        finally:
            ray.shutdown()
            cluster.shutdown()


def measure_throughput(worker: Any, stores: dict[str, CheckpointStore], rounds: int) -> None:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in stores}
    for store in stores.values():
        ray.get(worker.throughput.remote(store))  # connected, imported, warm
    for _ in range(rounds):
        for name, store in stores.items():
            found[name].append(ray.get(worker.throughput.remote(store)))
    title = f"{SIZE / 1e6:.0f} MB, median of {rounds} rounds"
    print(f"{title:36}{'put MB/s':>9}{'of directory':>15}{'get MB/s':>9}{'of directory':>15}")
    base = found["directory"]
    for name, pairs in found.items():
        text = f"  {name:34}"
        for way in (0, 1):
            ratio = statistics.median(pair[way] / own[way] for pair, own in zip(pairs, base, strict=True))
            text += f"{statistics.median(pair[way] for pair in pairs):9.0f}{ratio:15.2f}"
        print(text, flush=True)


def measure_deletions(stores: dict[str, CheckpointStore], files: int) -> None:
    """Of trials that go out with so many files each: one after another, and those of a trial together."""
    title = f"{files} files of a trial, {TRIALS - 1} trials"
    print(f"{title:36}{'one by one, ms':>16}{'together, ms':>14}{'ratio':>8}")
    for name, store in stores.items():
        found: list[tuple[float, float]] = []
        for trial in range(TRIALS):
            names = [[f"t{trial:04d}-f{fold}/{number}" for number in range(files)] for fold in (0, 1)]
            for item in names[0] + names[1]:
                store.put(item, b"x")
            times = [time.perf_counter()]
            for item in names[0]:
                store.delete(item)
            times.append(time.perf_counter())
            store.delete_many(names[1])
            times.append(time.perf_counter())
            found.append((times[1] - times[0], times[2] - times[1]))
        single, batch = (statistics.median(pair[way] for pair in found[1:]) for way in (0, 1))
        ratio = statistics.median(pair[1] / pair[0] for pair in found[1:])
        print(f"  {name:34}{1e3 * single:16.1f}{1e3 * batch:14.1f}{ratio:8.2f}", flush=True)


def measure_legs(worker: Any, stores: dict[str, CheckpointStore], rounds: int, epoch_s: float) -> None:
    products = int(epoch_s * ray.get(worker.calibrate.remote()))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in stores}
    for _ in range(rounds):
        for name, store in stores.items():
            found[name].append(ray.get(worker.leg.remote(store, products)))
    title = f"{EPOCHS} epochs of about {epoch_s:g} s, {rounds} rounds"
    print(f"{title:36}{'wall s':>9}{'of directory':>15}{'not training s':>18}{'more':>10}")
    for name, pairs in found.items():
        wall = statistics.median(pair[0] for pair in pairs)
        ratio = statistics.median(
            pair[0] / own[0] for pair, own in zip(pairs, found["directory"], strict=True)
        )
        idle = statistics.median(pair[1] for pair in pairs)
        more = statistics.median(
            (pair[1] - own[1]) / own[0] for pair, own in zip(pairs, found["directory"], strict=True)
        )
        print(f"  {name:34}{wall:9.2f}{ratio:15.3f}{idle:18.2f}{more:+10.1%}", flush=True)


def main(rounds: int = 9, legs: int = 3, epoch_s: float = 10.0, files: int = 30) -> None:
    load = os.getloadavg()[0]
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {os.cpu_count()} cores, load {load:.1f} before, seed 0")
    if files:
        with tempfile.TemporaryDirectory() as name, s3_bucket() as bucket:
            own = {"directory": DirectoryStore(Path(name)), "S3 (moto, loopback)": UriStore(bucket)}
            measure_deletions(own, files)
    if not rounds and not legs:
        return
    with tempfile.TemporaryDirectory() as name, s3_bucket() as bucket, two_nodes() as other:
        folder = Path(name)
        pinned = NodeAffinitySchedulingStrategy(other, soft=False)
        worker = Worker.options(scheduling_strategy=pinned).remote(drawn_dataset(folder, 42, 32))
        stores: dict[str, CheckpointStore] = {
            "directory": DirectoryStore(folder / "directory"),
            "head-node store": store_for_workers(DirectoryStore(folder / "head")),
            "S3 (moto, loopback)": UriStore(bucket),
        }
        if rounds:
            measure_throughput(worker, stores, rounds)
        if legs:
            measure_legs(worker, stores, legs, epoch_s)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="of throughput; 0: none")
    parser.add_argument("--legs", type=int, default=3, help="rounds of fold runs; 0: none")
    parser.add_argument("--epoch-s", type=float, default=10.0, help="about the seconds of an epoch")
    parser.add_argument("--files", type=int, default=30, help="of a trial that is deleted; 0: none")
    options = parser.parse_args()
    main(options.rounds, options.legs, options.epoch_s, options.files)

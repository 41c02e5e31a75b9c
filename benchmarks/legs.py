"""Seconds per leg of a no-op study on Ray Tune, beside a bare ActorPool running the same fold runs.

    python -m benchmarks.legs --legs 500

Both use warm actors, the same FoldRunWorker, the same store on disk and the same number of slots; the pool
has no race, no journal and no Tune. One process, one Ray, the two in turn.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import ray
from ray.util import ActorPool

from benchmarks.synthetic_study import open_study
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import Leg
from orchestrator.data.manifest import Manifest
from orchestrator.execution.driver import Driver
from orchestrator.execution.on_ray import cluster
from orchestrator.execution.on_ray.backend import OnRay
from orchestrator.execution.on_ray.slots import ResourceRequest
from orchestrator.execution.on_ray.tune_adapter import encode
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.race import RaceConfig, make_race
from orchestrator.sampling import RandomSampler
from orchestrator.space import SearchSpace, categorical, uniform
from orchestrator.storage import DirectoryStore
from orchestrator.study.study import Study

FOLDS = 5
TRAINABLE = "benchmarks.no_op:NoOp"


class Blind:
    """A view that looks away."""

    def on_event(self, event: object, decisions: object, now: float) -> None:
        """Nothing is shown."""


def make_study(folder: Path, trials: int) -> tuple[Study, Dataset]:
    frame = pd.DataFrame(
        {
            "path": [f"{row}.png" for row in range(100)],
            "group": [f"g{row}" for row in range(100)],
            "role": "train",
            "tint": ["red", "blue"] * 50,
        }
    )
    for path in frame["path"]:
        (folder / path).write_bytes(b"never opened")
    manifest = Manifest(frame, folder, "no-op")
    target = categorical("tint", ["red", "blue"])
    space = SearchSpace(TRAINABLE, target, {"lr": uniform(0, 1)}, folds=FOLDS, trials=trials, max_t=1)
    return open_study(folder, manifest, space)


def seconds_on_tune(study: Study, dataset: Dataset, trials: int, slots: int) -> float:
    race = make_race("exhaustive", RaceConfig(trials=trials, folds=FOLDS, max_t=1))
    driver = Driver(race, study, RandomSampler(study.space, 0), dataset, Blind())
    here = OnRay(ResourceRequest(cpus=1), shares_disk=True)
    assert here.slots == slots
    here.prepare(TRAINABLE, dataset, {}, driver.store, lambda done, total: None)
    started = time.perf_counter()
    here.run(driver)
    return time.perf_counter() - started


@ray.remote(num_cpus=1)
class Bare:
    def __init__(self, dataset: Dataset, root: Path) -> None:
        self._worker = FoldRunWorker(dataset, TRAINABLE, DirectoryStore(root))

    def run(self, order: LegAssignment) -> str:
        self._worker.start(order)
        return encode(self._worker.step())


def seconds_in_a_pool(dataset: Dataset, root: Path, trials: int, slots: int) -> float:
    orders = [
        LegAssignment(Leg(trial, fold, 0, 1), {"lr": 0.1}, 1, trial, None)
        for trial in range(trials)
        for fold in range(FOLDS)
    ]
    shared = ray.put(dataset)
    started = time.perf_counter()
    pool = ActorPool([Bare.remote(shared, root) for _ in range(slots)])
    results = list(pool.map_unordered(lambda actor, order: actor.run.remote(order), orders))
    assert len(results) == len(orders)
    return time.perf_counter() - started


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--legs", type=int, default=500)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    trials = options.legs // FOLDS
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Ray {ray.__version__}, seed 0"
    )
    print(f"{trials * FOLDS} legs of one no-op epoch, {options.slots} slots")
    tune_s, pool_s = [], []
    with cluster.connect(None, cpus=options.slots):
        for _ in range(options.rounds):
            with scratch() as folder:
                study, dataset = make_study(folder, trials)
                tune_s.append(seconds_on_tune(study, dataset, trials, options.slots))
                study.close()
            with scratch() as folder:
                pool_s.append(seconds_in_a_pool(dataset, folder, trials, options.slots))
            print(f"  on Tune {tune_s[-1]:.2f} s, bare pool {pool_s[-1]:.2f} s")
    legs = trials * FOLDS
    tune_leg, pool_leg = np.median(tune_s) / legs, np.median(pool_s) / legs
    print(
        f"seconds per leg: on Tune {tune_leg:.4f}, bare pool {pool_leg:.4f}, ratio {tune_leg / pool_leg:.1f}"
    )


if __name__ == "__main__":
    main()

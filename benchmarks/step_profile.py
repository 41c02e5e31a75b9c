"""What share of a fold run's wall time its network gets, and where the rest goes.

    python -m benchmarks.step_profile --cases resnet18 --cpus 1
    python -m benchmarks.step_profile                             # all cases, 1 and 2 CPUs: some minutes

A fold run as a slot runs it (worker, batches, metrics, checkpoints on disk), after one epoch to warm up;
random weights, drawn faces. The network's share: forward, loss, backward, optimizer and the forward of
validation. Target: 95%. Each case in a process of its own, its memory settings those of Ray's workers.
Where there is a GPU the fold run has it, and events in its queue are the clock: what is not the network's is
the time in which the GPU waits, copies or changes images. --cpu-time: of the training thread's processor time
instead, for a machine that others use; it counts neither waiting for a disk nor other threads.
--json: each case as one line of JSON, {"case", "cpus", "device", "wall_s", "network_share", "parts_s"}.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SEED = 0
CASES: Mapping[str, Mapping[str, Any]] = {
    "resnet18": {"backbone": "resnet18", "image_size": 224, "batch_size": 32},
    "efficientnet_b0": {"backbone": "efficientnet_b0", "image_size": 224, "batch_size": 32},
    "test_resnet": {"backbone": "test_resnet", "image_size": 64, "batch_size": 32},
    "test_efficientnet": {"backbone": "test_efficientnet", "image_size": 64, "batch_size": 32},
}
PEOPLE = {224: 42, 64: 240}  # 294 and 1680 images


def run_case(name: str, cpus: int, augment: str, cpu_time: bool) -> dict[str, Any]:
    """Of one epoch: seconds of the wall and of each part, and the network's share of the wall."""
    import torch

    from benchmarks.drawn_data import drawn_dataset
    from benchmarks.stopwatch import NETWORK, DeviceClock, HostClock, Stopwatch
    from orchestrator.core.events import EpochEnded, Leg
    from orchestrator.core.trainable import Resources
    from orchestrator.execution.worker import FoldRunWorker, LegAssignment
    from orchestrator.storage import DirectoryStore

    on_gpu = torch.cuda.is_available() and not cpu_time
    clock = DeviceClock() if on_gpu else HostClock(time.thread_time if cpu_time else time.perf_counter)
    config = {**CASES[name], "augment": augment, "optimizer": "adamw", "lr": 1e-3}
    with tempfile.TemporaryDirectory() as folder:
        size = int(config["image_size"])
        dataset = drawn_dataset(Path(folder), PEOPLE[size], size)
        trainable = "trainables.image_classifier:ImageClassifier"
        resources = Resources(cpus, 1.0 if on_gpu else 0.0)
        worker = FoldRunWorker(dataset, trainable, DirectoryStore(Path(folder) / "store"), resources)
        worker.start(LegAssignment(Leg(0, 0, 0, 2), config, 2, SEED, None))
        warm = worker.step()
        assert isinstance(warm, EpochEnded), warm
        with Stopwatch(clock) as watch:
            started = clock.mark()
            outcome = worker.step()
            ended = clock.mark()
        assert isinstance(outcome, EpochEnded), outcome
        parts = watch.seconds()
        wall = clock.between(started, ended)
        worker.release()
    network = sum(parts[part] for part in NETWORK)
    return {
        "case": name,
        "cpus": cpus,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "wall_s": wall,
        "network_share": network / wall,
        "parts_s": {**parts, "everything else": wall - sum(parts.values())},
    }


def line_of(found: Mapping[str, Any]) -> str:
    """What `run_case` found, for a person."""
    from benchmarks.stopwatch import NETWORK

    wall = found["wall_s"]
    parts = sorted(found["parts_s"].items(), key=lambda item: (item[0] == "everything else", -item[1]))
    rest = ", ".join(f"{part} {100 * took / wall:.1f}" for part, took in parts if part not in NETWORK)
    return (
        f"{found['case']:18}{found['cpus']} cpu  epoch {wall:6.2f} s  "
        f"network {100 * found['network_share']:5.1f}%  rest in %: {rest}"
    )


def run_apart(arguments: list[str], environment: Mapping[str, str]) -> None:
    """One case in a process of its own: memory settings are read when a process begins."""
    command = [sys.executable, "-m", "benchmarks.step_profile", *arguments]
    subprocess.run(command, check=True, env={**os.environ, **environment})


def main(
    cases: tuple[str, ...] = tuple(CASES),
    cpus: tuple[int, ...] = (1, 2),
    augment: str = "light",
    more: tuple[str, ...] = (),
) -> None:
    from orchestrator.execution.on_ray.cluster import WORKER_ENVIRONMENT

    if "--json" not in more:
        machine = platform.processor() or platform.machine()
        print(f"{machine}, {os.cpu_count()} cores, seed {SEED}, augment {augment}", flush=True)
    for name in cases:
        for count in cpus:
            environment = {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": str(count)}
            run_apart(["--one", name, "--cpus", str(count), "--augment", augment, *more], environment)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--cpus", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--augment", default="light")
    parser.add_argument("--one", choices=list(CASES), help="this case alone, in this process")
    parser.add_argument("--cpu-time", action="store_true", help="of the training thread, not of the wall")
    parser.add_argument("--json", action="store_true", help="each case as a line of JSON")
    options = parser.parse_args()
    if options.one:
        found = run_case(options.one, options.cpus[0], options.augment, options.cpu_time)
        print(json.dumps(found) if options.json else line_of(found), flush=True)
    else:
        passed_on = ("cpu_time", "json")
        more = tuple(f"--{name.replace('_', '-')}" for name in passed_on if getattr(options, name))
        main(tuple(options.cases), tuple(options.cpus), options.augment, more)

"""What the probe says that a fold run holds of a machine's memory, against fold runs of that configuration.

    python -m benchmarks.probe_truth                  # some ten minutes on two cores
    python -m benchmarks.probe_truth --cases small    # those whose name contains it

A fold run is a FoldRunWorker's, in a process of its own, on drawn faces that were decoded before: epochs
trained, validated and stored as in a study. Its process is looked at a hundred times a second, as
`machine.memory` counts it; the largest reading is the truth. The probe knows neither the images nor how long
an epoch is.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.drawn_data import drawn_dataset
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, Leg
from orchestrator.core.own_memory import own_unshared
from orchestrator.core.trainable import Resources, load_trainable
from orchestrator.execution.probe_run import ProbeRun
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.execution.worker_environment import ALLOCATION
from orchestrator.machine.memory import unshared
from orchestrator.storage.directory import DirectoryStore

CLASSIFIER = "trainables.image_classifier:ImageClassifier"
EPOCHS, STEPS = 4, 4
PHOTOS = 7  # of each person that is drawn
SECONDS, MIB = 12.0, 2**20
SGD = {"optimizer": "sgd", "momentum": 0.9}
CASES: Mapping[str, tuple[int, dict[str, Any]]] = {
    # name: cores of a fold run, configuration
    "small: test_vit": (1, {"backbone": "test_vit", "image_size": 64, "batch_size": 16}),
    "small: resnet18": (1, {"backbone": "resnet18", "image_size": 64, "batch_size": 16}),
    "resnet18, SGD": (1, {"backbone": "resnet18", "image_size": 112, "batch_size": 32, **SGD}),
    "resnet18, two cores": (2, {"backbone": "resnet18", "image_size": 112, "batch_size": 32}),
    "resnet18, SAM and EMA": (
        1,
        {"backbone": "resnet18", "image_size": 96, "batch_size": 32, "sam_rho": 0.05, "ema_decay": 0.99},
    ),
    "efficientnet_b0, EMA": (
        1,
        {"backbone": "efficientnet_b0", "image_size": 64, "batch_size": 32, "ema_decay": 0.99},
    ),
    "mobilenetv3, 4 batches a step, crops": (
        1,
        {
            "backbone": "mobilenetv3_large_100",
            "image_size": 96,
            "batch_size": 16,
            "accumulate": 4,
            "tta": "five_crop_flip",
            **SGD,
        },
    ),
    "convnext_atto, SAM": (
        1,
        {"backbone": "convnext_atto", "image_size": 96, "batch_size": 16, "sam_rho": 0.05},
    ),
    "vit_tiny": (1, {"backbone": "vit_tiny_patch16_224", "image_size": 224, "batch_size": 8}),
    "resnet50, Adam": (1, {"backbone": "resnet50", "image_size": 64, "batch_size": 16, "optimizer": "adam"}),
    "large: resnet50": (1, {"backbone": "resnet50", "image_size": 112, "batch_size": 64, **SGD}),
}


# ---- the truth ------------------------------------------------------------------------------------


def fold_run(folder: Path, cpus: int, config: dict[str, Any]) -> int:
    """Trains one; what this process held before, in bytes."""
    dataset: Dataset = pickle.loads((folder / "dataset").read_bytes())  # noqa: S301 - its own
    base = own_unshared()
    worker = FoldRunWorker(dataset, CLASSIFIER, DirectoryStore(folder / "store"), Resources(cpus))
    worker.start(LegAssignment(Leg(0, 0, 0, EPOCHS), config, EPOCHS, 0, None))
    for _ in range(EPOCHS):
        outcome = worker.step()
        if not isinstance(outcome, EpochEnded):
            raise SystemExit(str(outcome))
    return base


def _dataset(folder: Path, config: Mapping[str, Any]) -> Dataset:
    """Faces for STEPS batches an epoch on four fifths of them."""
    people = -(-int(config["batch_size"]) * int(config.get("accumulate", 1)) * STEPS * 5 // 4 // PHOTOS) + 1
    return drawn_dataset(folder, max(people, 30), 128)


def decode(folder: Path, config: dict[str, Any]) -> None:
    dataset = _dataset(folder, config)
    load_trainable(CLASSIFIER).prepare(dataset, {name: [value] for name, value in config.items()})
    (folder / "dataset").write_bytes(pickle.dumps(dataset))


def truth(folder: Path, cpus: int, config: Mapping[str, Any]) -> tuple[int, int]:
    """Bytes at the peak, and before the fold run began."""
    _child("--decode", folder, cpus, config).communicate()
    process, peak = _child("--fold-run", folder, cpus, config), 0
    while process.poll() is None:
        peak = max(peak, unshared(process.pid))
        time.sleep(0.01)
    told = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"the fold run ended with exit code {process.returncode}")
    return peak, int(told.splitlines()[-1])


def _child(what: str, folder: Path, cpus: int, config: Mapping[str, Any]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.probe_truth", what, str(folder), str(cpus)]
    environment = {**os.environ, **ALLOCATION, "OMP_NUM_THREADS": str(cpus)}
    return subprocess.Popen(
        [*command, json.dumps(config)], stdout=subprocess.PIPE, text=True, env=environment
    )


# ---- the probe ------------------------------------------------------------------------------------


def probed(cpus: int, config: Mapping[str, Any], base: int) -> tuple[int | None, float]:
    """Bytes, and the seconds that it took; None where it gave up, as on a busy machine: a search then counts
    with the estimate."""
    request = {
        "trainable": CLASSIFIER,
        "config": dict(config),
        "classes": 18,
        "rows": 1000,
        "resources": asdict(Resources(cpus)),
        "seconds": SECONDS,
        "base_bytes": base,
    }
    started = time.monotonic()
    with ProbeRun(request) as run:
        ended = run.warm()
        found = run.cost() if ended is None else ended
    seconds = time.monotonic() - started
    if isinstance(found, str):
        print(f"{config['backbone']}: {found}", file=sys.stderr)
        return None, seconds
    return found.resident_bytes, seconds


def estimated(cpus: int, config: Mapping[str, Any], base: int) -> int:
    trainable: Any = load_trainable(CLASSIFIER)
    return base + int(trainable.cost_estimate(config, 18, Resources(cpus)))


def main(names: Sequence[str]) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, seed 0; {EPOCHS} epochs of {STEPS} steps\n")
    print("| fold run | px | batch | truth MiB | probe MiB | probe / truth | seconds | estimate / truth |")
    print("|---|---|---|---|---|---|---|---|")
    ratios = []
    for name in names:
        cpus, config = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            peak, base = truth(Path(folder), cpus, config)
        resident, seconds = probed(cpus, config, base)
        told = "gave up | "
        if resident is not None:
            ratios.append(resident / peak)
            told = f"{resident / MIB:.0f} | {resident / peak:.2f}"
        print(
            f"| {name} | {config['image_size']} | {config['batch_size']} | {peak / MIB:.0f} "
            f"| {told} | {seconds:.1f} | {estimated(cpus, config, base) / peak:.2f} |",
            flush=True,
        )
    if ratios:
        print(f"\nprobe / truth: {min(ratios):.2f} to {max(ratios):.2f} where it answered")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", default="", help="those whose name contains it")
    parser.add_argument("--decode", nargs=3, metavar=("FOLDER", "CPUS", "CONFIG"), help="in this process")
    parser.add_argument("--fold-run", nargs=3, metavar=("FOLDER", "CPUS", "CONFIG"), help="in this process")
    options = parser.parse_args()
    if options.decode:
        decode(Path(options.decode[0]), json.loads(options.decode[2]))
    elif options.fold_run:
        place, cores, text = options.fold_run
        print(fold_run(Path(place), int(cores), json.loads(text)))
    else:
        main([name for name in CASES if options.cases in name])

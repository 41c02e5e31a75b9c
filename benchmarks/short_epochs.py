"""What short epochs leave in the store: bytes an epoch and the time in which nothing trained.

    python -m benchmarks.short_epochs --folder /mnt/shared      # on the disk that will hold the study

A leg of ResNet-18 with AdamW whose epochs take some two seconds of one core and are every other one the best
so far, in three ways: a resume state after every epoch, one every 30 s, and that with weights in float16. The
bytes are real ones, serialised anew after every epoch; the arithmetic of an epoch is not the network's.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import safetensors.torch

from benchmarks.checkpoints import Model
from benchmarks.drawn_data import drawn_dataset
from benchmarks.no_op import NoOp
from benchmarks.storage import multiply
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, Leg
from orchestrator.execution.resume_state import CHECKPOINT_EVERY_S
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.storage import DirectoryStore
from trainables.network.stored_weights import stored

EPOCHS = 24
EPOCH_S = 2.0


class Short(NoOp):
    """Epochs of EPOCH_S; epochs 1, 3, 5, ... are the best so far."""

    training_s: ClassVar[float] = 0.0

    def __init__(self, dataset: Dataset, fold: int, config: Any, *rest: Any) -> None:
        super().__init__(dataset, fold, config, *rest)
        self._model, self._dtype, self._epoch = Model("resnet18"), str(config["weights_dtype"]), 0
        self._probabilities[:] = 1.0 / self._probabilities.shape[1]

    def run_epoch(self) -> dict[str, float]:
        started = time.perf_counter()
        while time.perf_counter() - started < EPOCH_S:
            multiply(10)
        Short.training_s += time.perf_counter() - started
        self._epoch += 1
        return {"macro_f1": self._epoch / 100 if self._epoch % 2 else 0.0}

    def weights(self) -> bytes:
        data: bytes = safetensors.torch.save(stored(self._model.network, self._dtype))
        return data

    def state(self) -> bytes:
        return self._model.state()


class Counted(DirectoryStore):
    """Of all that was put: files and bytes."""

    files: ClassVar[int] = 0
    bytes: ClassVar[int] = 0

    def put(self, name: str, data: bytes | memoryview) -> None:
        Counted.files, Counted.bytes = Counted.files + 1, Counted.bytes + len(data)
        super().put(name, data)


def leg(dataset: Dataset, root: Path, every: float, dtype: str) -> tuple[float, float, float]:
    """Bytes and files an epoch, and seconds an epoch in which nothing trained."""
    from benchmarks.short_epochs import Counted as Counting  # the classes that FoldRunWorker imports
    from benchmarks.short_epochs import Short as Trained

    worker = FoldRunWorker(dataset, "benchmarks.short_epochs:Short", Counting(root))
    assignment = LegAssignment(Leg(0, 0, 0, EPOCHS), {"lr": 0.1, "weights_dtype": dtype}, EPOCHS, 0, None)
    worker.start(replace(assignment, checkpoint_every=every))
    before = Counting.bytes, Counting.files, Trained.training_s
    started = time.perf_counter()
    outcomes = [worker.step() for _ in range(EPOCHS)]
    wall = time.perf_counter() - started
    assert all(isinstance(outcome, EpochEnded) for outcome in outcomes), outcomes
    worker.release()
    idle = wall - (Trained.training_s - before[2])
    return (Counting.bytes - before[0]) / EPOCHS, (Counting.files - before[1]) / EPOCHS, idle / EPOCHS


def main(folder: Path | None) -> None:
    ways = {
        "a resume state after every epoch": (0.0, "float32"),
        f"one every {CHECKPOINT_EVERY_S:g} s": (CHECKPOINT_EVERY_S, "float32"),
        "that, and weights in float16": (CHECKPOINT_EVERY_S, "float16"),
    }
    print(f"{platform.machine()}, {os.cpu_count()} cores; a leg of {EPOCHS} epochs of {EPOCH_S:g} s\n")
    print("| stored | MB an epoch | of the first | files an epoch | s an epoch not training | of the first |")
    print("|---" * 6 + "|")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        dataset = drawn_dataset(Path(place), 42, 32)
        found = {name: leg(dataset, Path(place) / name, *way) for name, way in ways.items()}
    first = next(iter(found.values()))
    for name, (size, files, idle) in found.items():
        print(
            f"| {name} | {size / 1e6:.1f} | {size / first[0]:.2f} | {files:.1f} | {idle:.3f} "
            f"| {idle / first[2]:.2f} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, help="where to write (default: the system's temporary folder)")
    main(parser.parse_args().folder)

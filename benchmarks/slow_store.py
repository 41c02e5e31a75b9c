"""A leg on a slow store: with the next epoch trained while one is written, and without.

    python -m benchmarks.slow_store

Both only wait: an epoch 1 s, each file 0.5 s. The processor does nothing, so the numbers are the schedule's.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from unittest.mock import patch

from benchmarks import waiting
from benchmarks.drawn_data import drawn_dataset
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, Leg
from orchestrator.execution import background_writer as background
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.storage import DirectoryStore

EPOCHS, EPOCH_S, FILE_S = 6, 1.0, 0.5


class SlowStore(DirectoryStore):
    def put(self, name: str, data: bytes | memoryview) -> None:
        threading.Event().wait(FILE_S)
        super().put(name, data)


def seconds(dataset: Dataset, root: Path, slow: float) -> float:
    """Of one leg, where writing counts as slow from the share `slow` of an epoch on."""
    worker = FoldRunWorker(dataset, "benchmarks.waiting:Waiting", SlowStore(root))
    worker.start(LegAssignment(Leg(0, 0, 0, EPOCHS), {"lr": 0.1}, EPOCHS, 0, None))
    with patch.object(waiting, "EPOCH_S", EPOCH_S), patch.object(background, "SLOW", slow):
        started = time.perf_counter()
        outcomes = [worker.step() for _ in range(EPOCHS)]
        took = time.perf_counter() - started
    assert all(isinstance(outcome, EpochEnded) for outcome in outcomes), outcomes[0]
    return took


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = drawn_dataset(folder, 42, 32)
        waits = seconds(dataset, folder / "waits", float("inf"))
        ahead = seconds(dataset, folder / "ahead", background.SLOW)
    print(
        f"{EPOCHS} epochs of {EPOCH_S} s, {FILE_S} s a file: {waits:.1f} s one after another, "
        f"{ahead:.1f} s going ahead ({ahead / waits:.2f}x); training alone {EPOCHS * EPOCH_S:.1f} s"
    )


if __name__ == "__main__":
    main()

"""Seconds to serialise and to store what an epoch leaves behind: weights, and the resume state with AdamW.

    python -m benchmarks.checkpoints --folder /mnt/shared      # on the disk that will hold the study

What the training waits for when nothing overlaps; beside it, the same with the weights written while the
resume state is serialised. The median over rounds that run the two in turn.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import safetensors.torch
import torch

from orchestrator.storage import DirectoryStore
from trainables.network.torchvision_ops import timm

NETWORKS = ("resnet18", "efficientnet_b0", "test_resnet")


class Model:
    """A network and an optimizer with moments, as after a first step."""

    def __init__(self, name: str) -> None:
        self.network = timm.create_model(name, num_classes=18)
        self._optimizer = torch.optim.AdamW(self.network.parameters(), fused=True)
        for parameter in self.network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self._optimizer.step()

    def weights(self) -> bytes:
        data: bytes = safetensors.torch.save(dict(self.network.state_dict()))
        return data

    def state(self) -> bytes:
        buffer = io.BytesIO()
        torch.save({"network": self.network.state_dict(), "optimizer": self._optimizer.state_dict()}, buffer)
        return buffer.getvalue()


def one_after_another(model: Model, store: DirectoryStore) -> tuple[float, float]:
    """Seconds in all and of those writing."""
    times = [time.perf_counter()]
    for name, make in (("weights", model.weights), ("state", model.state)):
        data = make()
        times.append(time.perf_counter())
        store.put(name, data)
        times.append(time.perf_counter())
    return times[-1] - times[0], times[2] - times[1] + times[4] - times[3]


def overlapped(model: Model, store: DirectoryStore, pool: ThreadPoolExecutor) -> float:
    started = time.perf_counter()
    writing = pool.submit(store.put, "weights", model.weights())
    state = model.state()
    writing.result()
    store.put("state", state)
    return time.perf_counter() - started


def main(folder: Path | None = None, rounds: int = 15) -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {rounds} rounds")
    for name in NETWORKS:
        model = Model(name)
        sizes = [len(data) / 1e6 for data in (model.weights(), model.state())]
        whole, writing, beside = [], [], []
        with tempfile.TemporaryDirectory(dir=folder) as place, ThreadPoolExecutor(1) as pool:
            store = DirectoryStore(Path(place))
            for _ in range(rounds):
                total, written = one_after_another(model, store)
                whole.append(total)
                writing.append(written)
                beside.append(overlapped(model, store, pool))
        print(
            f"{name:18}weights {sizes[0]:5.1f} MB, state {sizes[1]:5.1f} MB: "
            f"{statistics.median(whole):.3f} s, of which writing {statistics.median(writing):.3f} s; "
            f"overlapped {statistics.median(beside) / statistics.median(whole):.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, help="where to write (default: the system's temporary folder)")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    main(options.folder, options.rounds)

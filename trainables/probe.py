"""What a fold run of a configuration costs, measured by one on drawn pixels: the real class, epoch by epoch.

Epochs of a few steps, each validated and stored as a worker stores it: what a fold run holds most of is met
whatever it is, the activations of a step, the crops of a validation batch or the copies in a resume state.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from orchestrator.core.dataset import Dataset
from orchestrator.core.fold_run_cost import FoldRunCost
from orchestrator.core.own_memory import own_peak_unshared
from orchestrator.core.trainable import Resources, Trainable
from trainables.cost_estimate import cost_estimate, shapes_of
from trainables.cost_rules import NAMES
from trainables.device import device_of
from trainables.feed.placement import Memory, augments_on, image_bytes, placement
from trainables.images.image_store import store_path
from trainables.images.preprocess import size_of
from trainables.images.tta import views_of

EPOCHS = 3  # what malloc cannot use again of an epoch is seen in the next ones
STEPS_CPU, STEPS_GPU = 2, 16  # the second step has the optimizer's state; a GPU takes some to be kept busy
PIXELS_GPU = 2**28  # bytes of drawn images at most
VALIDATED = 64  # rows, or a batch where that is more
LEAST_ROWS = 2  # of a batch
GROWTH = (
    1.3  # bytes by which a process grows where its estimate does by one: steps also copy and hold buffers
)
VALIDATION_SHARE = 1 / 3  # of a step's time per row
CALIBRATION = 512  # rows of the matrices that show how fast a machine is
KEPT_PER_FLOP = 2**20 * 60 / 30e9  # networks on CPUs: 15 to 165 MiB a second where matrices reach 30 GFLOPS
MOST_EPOCHS = 1000
GRAPHS = 1.1  # of a GPU's memory where steps are compiled, which takes too long to be met by a probe
TIMED = 1 / 4  # of the seconds, after all is warm

Build = Callable[..., Trainable]
Reserved = Callable[[], tuple[int, int]]


@dataclass(frozen=True)
class _Size:
    """Rows of the batches that a probe trains and validates on."""

    batch: int
    validated: int
    steps: int  # of an epoch, each of one batch

    @property
    def rows(self) -> int:
        """Of all its images."""
        return self.batch * self.steps + self.validated

    def scaled(self, batch: int) -> _Size:
        return _Size(batch, max(2, round(self.validated * batch / self.batch)), self.steps)


@dataclass(frozen=True)
class _Epochs:
    resident: int  # bytes of the process at its peak, up to now
    device: int  # bytes of the GPU at the peak of the epochs
    rates: Sequence[float]  # training images a second, of each epoch


def probe(
    build: Build,
    config: Mapping[str, Any],
    classes: int,
    rows: int,
    resources: Resources,
    seconds: float,
    meet: Callable[[], None],
) -> FoldRunCost:
    """The cost of `build(dataset, fold, config, ...)`; see core.trainable. config: complete.

    On a CPU where a batch would take too long, a smaller one is measured, and what its estimate lacks is
    added.
    """
    plain = {name: config[name] for name in NAMES} | {"pretrained": False, "compile": "none"}
    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        if device_of(resources).type != "cuda":
            return _on_cpu(_Runs(build, plain, classes, resources, Path(folder)), seconds, meet)
        runs = _Runs(build, plain, classes, resources, Path(folder), _reserved)
        found = _on_gpu(runs, rows, seconds, meet, Memory(*torch.cuda.mem_get_info()))
    graphs = 1.0 if config["compile"] == "none" else GRAPHS
    return replace(found, device_bytes=round(found.device_bytes * graphs))


class _Runs:
    """Fold runs of one configuration at any batch size."""

    def __init__(
        self,
        build: Build,
        config: dict[str, Any],
        classes: int,
        resources: Resources,
        folder: Path,
        reserved: Reserved = lambda: (0, 0),
    ) -> None:
        """reserved: bytes that the GPU's allocator holds, at its peak and now."""
        self.config, self.classes, self._build, self._reserved = config, classes, build, reserved
        self._resources, self._folder = resources, folder
        self.share = resources.gpus

    @contextmanager
    def at(self, size: _Size) -> Iterator[Trainable]:
        dataset = drawn_pixels(self._folder, self.config["image_size"], size, self.classes)
        config = {**self.config, "batch_size": size.batch}
        run = self._build(dataset, 0, config, MOST_EPOCHS, 0, self._resources)
        try:
            yield run
        finally:
            run.close()

    def of(self, run: Trainable, most: int, until: float, stores: bool = True) -> _Epochs:
        """One epoch, and others up to `most` of them while it is earlier than that."""
        rates, device = list[float](), 0
        while not rates or (len(rates) < most and time.monotonic() < until):
            rates.append(run.run_epoch()["images_per_second"])
            if stores:
                self._store(run)
            device = max(device, self._reserved()[0])  # a fold run may forget its peaks
        return _Epochs(own_peak_unshared(), device, rates)

    @property
    def reserved_now(self) -> int:
        return self._reserved()[1]

    def estimate(self, size: _Size) -> int:
        """Bytes."""
        config = {**self.config, "batch_size": size.batch}
        return cost_estimate(config, self.classes, self._resources, size.validated)

    def _store(self, run: Trainable) -> None:
        """As a worker does after its best epoch: both copies are in memory while they are written."""
        for number, data in enumerate((run.weights(), run.state())):
            (self._folder / f"stored-{number}").write_bytes(data)


def drawn_pixels(folder: Path, image_size: int | str, size: _Size, classes: int) -> Dataset:
    """One fold's training and validation rows, their images decoded already."""
    trained, rows = size.batch * size.steps, size.rows
    names = tuple(f"drawn-{row}" for row in range(rows))
    dataset = Dataset(
        root=str(folder),
        paths=names,
        labels=np.arange(rows) % classes,
        folds=np.repeat(np.array([1, 0], np.int16), (trained, size.validated)),
        classes=tuple(f"class-{number}" for number in range(classes)),
        metric="accuracy",
        mode="max",
        fingerprint="drawn",
        cache_dir=str(folder),
    )
    shape = (rows, *size_of(image_size), 3)
    path = store_path(dataset, image_size)
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    noise = np.random.default_rng(0).integers(0, 256, shape[1:], np.uint8)
    for row in range(rows):
        images[row] = np.roll(noise, row)
    images.flush()
    return dataset


# ---- on a CPU -------------------------------------------------------------------------------------


def _on_cpu(runs: _Runs, seconds: float, meet: Callable[[], None]) -> FoldRunCost:
    config = runs.config
    batch, accumulate = int(config["batch_size"]), int(config["accumulate"])
    kept = shapes_of(config, runs.classes, batch).kept
    views = views_of(config["tta"])
    affordable = batch_in_time(kept / batch, _kept_per_second(), seconds, batch, accumulate, views)
    full = _Size(batch, max(VALIDATED, batch), STEPS_CPU * accumulate)
    meet()
    size = full.scaled(affordable)
    with runs.at(size) as run:
        found = runs.of(run, EPOCHS, time.monotonic() + seconds)
    # Of one fold run at one size alone: what a first one leaves in memory in holes would count for the next.
    growth = round(GROWTH * (runs.estimate(full) - runs.estimate(size)))
    return _cost(replace(found, resident=found.resident + growth), batch * accumulate)


def batch_in_time(
    kept: float, kept_per_second: float, seconds: float, batch: int, accumulate: int, views: int
) -> int:
    """The largest batch, up to `batch`, of which an epoch of a probe takes so long, by a guess.

    kept: bytes that a row's forward pass keeps; kept_per_second: with which a step goes through them; views:
    of a row that is validated.
    """
    rows = STEPS_CPU * accumulate + VALIDATION_SHARE * views * max(VALIDATED, batch) / batch
    return max(min(batch, int(seconds * kept_per_second / (kept * rows))), LEAST_ROWS)


def _kept_per_second() -> float:
    """A guess from how fast this machine multiplies matrices just now."""
    matrix = torch.ones(CALIBRATION, CALIBRATION)
    matrix @ matrix  # the first one starts the threads
    started = time.perf_counter()
    matrix @ matrix
    return KEPT_PER_FLOP * 2 * CALIBRATION**3 / (time.perf_counter() - started)


def _cost(epochs: _Epochs, rows_of_step: int, device_bytes: int = 0) -> FoldRunCost:
    rate = median(epochs.rates[1:] or epochs.rates)
    return FoldRunCost(epochs.resident, device_bytes, rows_of_step / rate, rate)


# ---- on a GPU -------------------------------------------------------------------------------------


def _on_gpu(runs: _Runs, rows: int, seconds: float, meet: Callable[[], None], memory: Memory) -> FoldRunCost:
    """memory: of the GPU before anything of ours is on it."""
    batch, accumulate = int(runs.config["batch_size"]), int(runs.config["accumulate"])
    height, width = size_of(runs.config["image_size"])
    steps = max(STEPS_CPU, min(STEPS_GPU, PIXELS_GPU // (3 * height * width * batch * accumulate)))
    size = _Size(batch, max(VALIDATED, batch), steps * accumulate)
    with runs.at(size) as run:
        warm = runs.of(run, EPOCHS, time.monotonic() + seconds)
        meet()
        # A study's epochs are longer than these and stored seldom: files would take half of the time here.
        epochs = runs.of(run, MOST_EPOCHS, time.monotonic() + seconds * TIMED, stores=False)
    peak = max(warm.device, epochs.device)
    images = images_beside(runs.config, rows, size.rows, memory, runs.share)
    return _cost(epochs, batch * accumulate, max(peak - runs.reserved_now, 0) + images)


def _reserved() -> tuple[int, int]:
    return torch.cuda.max_memory_reserved(), torch.cuda.memory_reserved()


def images_beside(config: Mapping[str, Any], rows: int, drawn: int, memory: Memory, share: float) -> int:
    """Bytes by which a fold run's images on the GPU are more than a probe's; 0 where they lie elsewhere."""
    needed, have = (image_bytes(number, config["image_size"]) for number in (rows, drawn))
    if augments_on(config, "cuda") != "device" or placement(needed, 0, memory, share).where != "device":
        return 0
    return needed - have

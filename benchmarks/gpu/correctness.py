"""Is what a GPU computes right: precision, continuing, memory, and fold runs beside each other.

A GPU's sums come in no fixed order, so two equal runs may differ. Distances are therefore held against a
distance that the same run measures: of the same run twice, or of two seeds.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.gpu import data
from benchmarks.gpu.members import MemberError, Members, Order
from benchmarks.gpu.packing import config_of, used
from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Setting, deadline_of
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, Leg
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.storage import DirectoryStore
from trainables.image_classifier import ImageClassifier
from trainables.images.image_store import build_store

EPOCHS = 4
FLOOR_MIB = 256.0  # kernels and workspaces that stay loaded with the process, however little a fold run held
TRAINABLE = "trainables.image_classifier:ImageClassifier"
Curve = list[dict[str, float]]


@dataclass(frozen=True)
class CurveOf:
    """What each epoch of a fold run said, and how long it took."""

    curve: Curve
    seconds: list[float]


def run(setting: Setting, recorder: Recorder) -> None:
    deadline = deadline_of(setting)
    faces = data.dataset(setting)
    build_store(faces, setting.learns.size)
    config = config_of(setting.learns, lr=3e-3)
    runs = Runs(setting, faces, config)
    _resume(runs, recorder)
    _memory(runs, recorder)
    for name, part in (("neighbours", _neighbours), ("precision", _precision)):
        if deadline.left > 0:
            part(runs, recorder)
        else:
            recorder.not_run(name, "no time was left")


class Runs:
    """Fold runs of one configuration on fold 0."""

    def __init__(self, setting: Setting, faces: Dataset, config: dict[str, Any]) -> None:
        self.setting, self.faces, self.config = setting, faces, config

    def made(self, seed: int = 0, **more: Any) -> ImageClassifier:
        resources = self.setting.resources(0.5)
        return ImageClassifier(self.faces, 0, {**self.config, **more}, EPOCHS, seed, resources)

    def curve(self, seed: int = 0, **more: Any) -> Curve:
        return self.timed(seed, **more).curve

    def timed(self, seed: int = 0, **more: Any) -> CurveOf:
        made, curve, seconds = self.made(seed, **more), Curve(), list[float]()
        try:
            for _ in range(EPOCHS):
                began = time.perf_counter()
                curve.append(made.run_epoch())
                seconds.append(time.perf_counter() - began)
        finally:
            made.close()
        return CurveOf(curve, seconds)

    def probabilities(self, breaks_after: int) -> NDArray[np.float32]:
        """Of the validation rows after EPOCHS epochs; broken off after some of them and continued. 0: not."""
        made = self.made()
        for _ in range(breaks_after):
            made.run_epoch()
        if breaks_after:
            state = made.state()
            made.close()
            made = self.made()
            made.load_state(state)
        for _ in range(EPOCHS - breaks_after):
            made.run_epoch()
        found = made.probabilities()
        made.close()
        return found


def over(distance: float, noise: float) -> float:
    """distance / noise; 0 where there is no distance, infinity where there is one and no noise."""
    return 0.0 if distance == 0 else distance / noise if noise > 0 else float("inf")


# ---- continuing ----------------------------------------------------------------------------------------


def _resume(runs: Runs, recorder: Recorder) -> None:
    whole, again = runs.probabilities(0), runs.probabilities(0)
    noise = spread(whole, again)
    distance = spread(whole, runs.probabilities(EPOCHS // 2))
    same = (
        "bit for bit" if distance == 0 else f"probabilities {distance:.2g} apart, twice the same {noise:.2g}"
    )
    recorder.check("resume", over(distance, noise), same)


def spread(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Root mean square of the difference of probabilities (n, C)."""
    return float(np.sqrt(np.mean((one.astype(np.float64) - other) ** 2)))


# ---- memory --------------------------------------------------------------------------------------------


def _memory(runs: Runs, recorder: Recorder) -> None:
    """A leg that is stopped: its fold run is released after two epochs. What earlier runs loaded is there."""
    setting = runs.setting
    free_before = _held(setting.device)
    worker = FoldRunWorker(
        runs.faces, TRAINABLE, DirectoryStore(setting.folder / "store"), setting.resources(0.5)
    )
    worker.start(LegAssignment(Leg(0, 0, 0, EPOCHS), runs.config, EPOCHS, 0, None))
    outcomes = [worker.step() for _ in range(2)]
    assert all(isinstance(item, EpochEnded) for item in outcomes), outcomes
    peak = _held(setting.device) - free_before
    worker.release()
    gc.collect()
    left = _held(setting.device) - free_before
    recorder.check("memory returned", share_left(left, peak), f"{left / 2**20:.0f} MiB of {peak / 2**20:.0f}")


def share_left(left: float, peak: float, floor: float = FLOOR_MIB * 2**20) -> float:
    """Percent of what was held; what is within the floor counts as nothing."""
    return 0.0 if left <= floor else 100.0 * left / max(peak, left)


def _held(device: str) -> float:
    """Bytes: of the whole GPU, as the driver counts them; of this process where there is none."""
    if device == "cuda":
        torch.cuda.synchronize()
        return used(device)
    return float(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# ---- neighbours ----------------------------------------------------------------------------------------


def _neighbours(runs: Runs, recorder: Recorder) -> None:
    """The same fold run alone, alone again, and beside another one on the same device."""
    setting, case = runs.setting, runs.setting.learns
    own = Order(runs.faces, 0, runs.config, 0, setting.resources(0.5), case.batch)
    other = Order(runs.faces, 1, {**runs.config, "lr": 1e-3}, 1, setting.resources(0.5), case.batch)
    try:
        with Members(2, setting.patience_s) as members:
            curves = []
            for orders in ([own], [own], [own, other]):
                members.build(orders)
                curves.append(members.curve(range(len(orders)), EPOCHS - 1)[0])
                members.release()
    except MemberError as error:
        recorder.fault(f"neighbours: {error}")
        return
    alone, again, beside = (losses(curve) for curve in curves)
    distance, noise = curve_distance(alone, beside), curve_distance(alone, again)
    same = "bit for bit" if distance == 0 else f"losses {distance:.2g} apart, alone twice {noise:.2g}"
    recorder.check("neighbours", over(distance, noise), same)


# ---- precision -----------------------------------------------------------------------------------------


def _precision(runs: Runs, recorder: Recorder) -> None:
    if runs.setting.dry:
        losses(runs.curve(amp=False))  # the same code; a CPU has no mixed precision here
        recorder.not_run("precision", "a CPU trains in float32 alone")
        return
    full, mixed = runs.curve(amp=False), runs.curve(amp=True)
    other_seed = runs.curve(seed=1, amp=False)
    distance, band = (
        curve_distance(losses(full), losses(mixed)),
        curve_distance(losses(full), losses(other_seed)),
    )
    recorder.check(
        "precision", over(distance, band), f"training losses {distance:.3f} apart, seeds {band:.3f}"
    )
    last = (full[-1]["macro_f1"], mixed[-1]["macro_f1"], other_seed[-1]["macro_f1"])
    recorder.note(
        f"macro-F1 after {EPOCHS} epochs: float32 {last[0]:.3f}, mixed {last[1]:.3f}, seed 1 {last[2]:.3f}"
    )


def losses(curve: Curve) -> list[float]:
    return [epoch["loss_train"] for epoch in curve]


def curve_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Mean of the absolute differences, as a share of the first curve's mean."""
    first, second = np.asarray(one), np.asarray(other)
    return float(np.mean(np.abs(first - second)) / np.mean(first))

"""Augmentation on the device beside the CPU's, and whether a training step waits for the device."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.gpu import data
from benchmarks.gpu.packing import config_of
from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Deadline, Setting, deadline_of
from orchestrator.core.dataset import Dataset
from trainables.feed.fold_loader import FoldLoader
from trainables.feed.placement import PLACES
from trainables.image_classifier import ImageClassifier
from trainables.images.augment import Augmenter
from trainables.images.augment_steps import KINDS as KINDS_OF_STEPS
from trainables.images.device_augment import DeviceAugmenter
from trainables.images.image_store import build_store, open_store
from trainables.optimisation.ema import Average
from trainables.optimisation.optim import Schedule
from trainables.optimisation.train_step import Step
from trainables.parameters import completed

STRENGTHS = ("light", "medium", "strong")
DRAWS_THERE = "noise"  # the one step whose numbers each device draws for itself
NEEDED = {"rotate": "15, ", "shift": "0.1, ", "zoom": "0.2, "}
STEPS = tuple(f"{step}({NEEDED.get(step, '')}p=1)" for step in KINDS_OF_STEPS if step != DRAWS_THERE)
CHOICES = (
    "one_of(rotate(15), clahe(), grayscale())",
    "some_of(2, flip(), blur(), gamma(), sharpen())",
)
APART = 2  # levels of 255

STEP_KINDS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "sgd": {"optimizer": "sgd", "momentum": 0.9},
    "adam": {"optimizer": "adam"},
    "float32": {"amp": False},
    "clipped": {"grad_clip": 1.0},
    "accumulated": {"accumulate": 2},
    "sharpness-aware": {"sam_rho": 0.05},
    "averaged": {"ema_decay": 0.99},
    "mixed": {"mix": "both", "mix_probability": 1.0},
    "augmented on the CPU": {"augment_on": "cpu"},
    "augmented on the device": {"augment_on": "device", "augment": "strong"},
    "focal": {"loss": "focal"},
    "soft F1 and focal": {"loss": "0.4*soft_f1 + 0.6*focal", "class_weights": "balanced"},
    "ordinal": {"loss": "sord", "branches": True},
    "heads, dropout": {"head": "mlp", "dropout": 0.2, "dropout_samples": 2, "branches": True},
    "layers, frozen first": {"layer_decay": 0.8, "freeze_epochs": 2, "warmup_epochs": 0.5},
    "rare rows": {"augment_rare": "medium", "sampler": "weighted", "label_smoothing": 0.1},
}
IN_DRY = ("plain", "averaged", "mixed")


def run(setting: Setting, recorder: Recorder) -> None:
    deadline = deadline_of(setting)
    faces = data.dataset(setting)
    build_store(faces, setting.learns.size)
    images = np.array(open_store(faces, setting.learns.size)[:32])
    _same_draws(images, setting, recorder)
    _statistics(images[0], setting, recorder)
    _places(faces, setting, recorder)
    _synchronisation(faces, images, setting, deadline, recorder)


# ---- augmentation --------------------------------------------------------------------------------------


def _same_draws(images: NDArray[np.uint8], setting: Setting, recorder: Recorder) -> None:
    shares, means = {}, {}
    for spec in (*STRENGTHS, *STEPS, *CHOICES):
        augment = DeviceAugmenter(spec)
        here, there = (
            augment(_tensor(images).to(device), np.random.default_rng(0)).cpu().numpy().astype(np.int16)
            for device in ("cpu", setting.device)
        )
        apart = np.abs(here - there)
        shares[spec], means[spec] = 100.0 * float(np.mean(apart > APART)), float(apart.mean())
    for name, found in (("augmentation, pixels apart", shares), ("augmentation, mean apart", means)):
        worst = max(found, key=lambda spec: found[spec])
        recorder.check(name, found[worst], f"the most by {worst}")


def _tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _statistics(image: NDArray[np.uint8], setting: Setting, recorder: Recorder) -> None:
    """Many draws of one image by both paths: the mean and the spread of each drawn image's pixels."""
    draws = 256 if setting.dry else 1024
    many = np.repeat(image[None], draws, axis=0)
    worst, where = 0.0, ""
    for spec in (*STRENGTHS, f"{DRAWS_THERE}(p=1)"):
        cpu = Augmenter(spec)(many, np.random.default_rng(1))
        device = DeviceAugmenter(spec)(_tensor(many).to(setting.device), np.random.default_rng(2))
        for name, value in _distances(_moments(cpu), _moments(device.permute(0, 2, 3, 1).cpu().numpy())):
            if value >= worst:
                worst, where = value, f"the {name} by {spec}"
    recorder.check("augmentation", worst, f"{where}, {draws} draws")


def _moments(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Of each image (n,): the mean of its pixels, and their standard deviation."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    return {"mean": flat.mean(axis=1), "spread": flat.std(axis=1)}


def _distances(
    one: Mapping[str, NDArray[np.float64]], other: Mapping[str, NDArray[np.float64]]
) -> Iterator[tuple[str, float]]:
    """How far two samples' means are apart, in standard errors of their difference."""
    for name, first in one.items():
        second = other[name]
        error = np.sqrt(first.var() / len(first) + second.var() / len(second))
        yield name, float(abs(first.mean() - second.mean()) / max(error, 1e-9))


# ---- where images lie ----------------------------------------------------------------------------------


def _places(faces: Dataset, setting: Setting, recorder: Recorder) -> None:
    """The batches of one epoch with the images on the device, in a pinned ring, and on the host."""
    epochs = {place: _epoch(faces, setting, place) for place in PLACES}
    first, differ = epochs[PLACES[0]], set[str]()
    for place, batches in epochs.items():
        same = [torch.equal(one, other) for one, other in zip(first, batches, strict=True)]
        differ |= set() if all(same) else {f"{place}, batch {same.index(False) + 1}"}
    recorder.check(
        "places", len(differ), "; ".join(sorted(differ)) or f"{len(first)} batches of {len(PLACES)}"
    )


def _epoch(faces: Dataset, setting: Setting, place: str) -> list[torch.Tensor]:
    config = completed(config_of(setting.learns, augment_on="device", augment="strong", mix="both"))
    device = torch.device(setting.device)
    with ThreadPoolExecutor(2) as pool:
        loader = FoldLoader(faces, 0, config, 0, device, pool, 4, place=place)
        try:
            return [images.clone() for images, _ in loader.training(0)]
        finally:
            loader.close()


# ---- waiting -------------------------------------------------------------------------------------------


class Watch:
    """While open, whatever runs in a training step, or makes its batch, may not wait for the device.

    torch raises RuntimeError where it does (torch.cuda.set_sync_debug_mode; it knows most such calls, not
    all). On a CPU only the calls are counted.
    """

    def __init__(self, device: str) -> None:
        self._gpu = device == "cuda"
        self.calls = 0

    @contextlib.contextmanager
    def strict(self) -> Iterator[None]:
        self.calls += 1
        if not self._gpu:
            yield
            return
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    @contextlib.contextmanager
    def over_steps(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for owner, name in ((Step, "__call__"), (Schedule, "after_step"), (Average, "update")):
                stack.enter_context(patch.object(owner, name, self._watched(getattr(owner, name))))
            stack.enter_context(patch.object(FoldLoader, "training", self._iterated(FoldLoader.training)))
            yield

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.strict():
                return call(*args, **kwargs)

        return watched

    def _iterated(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Iterator[Any]:
            batches, nothing = iter(call(*args, **kwargs)), object()
            while True:
                with self.strict():
                    batch = next(batches, nothing)
                if batch is nothing:
                    return
                yield batch

        return watched


def _synchronisation(
    faces: Dataset, images: NDArray[np.uint8], setting: Setting, deadline: Deadline, recorder: Recorder
) -> None:
    waiting = [spec for spec in (*STEPS, f"{DRAWS_THERE}(p=1)") if _augmenting_waits(spec, images, setting)]
    kinds = {name: STEP_KINDS[name] for name in (IN_DRY if setting.dry else STEP_KINDS)}
    for done, (name, more) in enumerate(kinds.items()):
        if not deadline.allows(1.0):
            recorder.cut(f"steps: {', '.join(list(kinds)[done:])}")
            break
        if place := _waits(faces, setting, config_of(setting.learns, **more)):
            waiting.append(name)
            recorder.note(f"a step that waits: {name}: {place}")
    recorder.check("synchronisation", len(waiting), ", ".join(waiting) or f"{done + 1} kinds of steps")


def _augmenting_waits(spec: str, images: NDArray[np.uint8], setting: Setting) -> bool:
    augment, tensor = DeviceAugmenter(spec), _tensor(images).to(setting.device)
    augment(tensor, np.random.default_rng(0))  # the first call gets its page-locked memory
    try:
        with Watch(setting.device).strict():
            augment(tensor, np.random.default_rng(1))
    except RuntimeError as error:
        if "synchronizing" not in str(error):
            raise
        return True
    return False


def _waits(faces: Dataset, setting: Setting, config: Mapping[str, Any]) -> str:
    """Where an epoch after the first lets the host wait; "" where it does nowhere."""
    made = ImageClassifier(faces, 0, config, 3, 0, setting.resources(1.0))
    watch = Watch(setting.device)
    try:
        made.run_epoch()
        with watch.over_steps():
            made.run_epoch()
    except RuntimeError as error:
        if "synchronizing" not in str(error):
            raise
        return innermost(error)
    finally:
        made.close()
    assert watch.calls > 0  # else nothing was watched
    return ""


def innermost(error: BaseException) -> str:
    """The last line of this project's own code that the error went through."""
    frames = [item for item in traceback.extract_tb(error.__traceback__) if "trainables" in item.filename]
    last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{'/'.join(last.filename.split('/')[-2:])}:{last.lineno} {last.line}"

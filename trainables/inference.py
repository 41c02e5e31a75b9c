"""One trained model in memory, predicting from image files as it did from the store."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from orchestrator.errors import WeightsError
from orchestrator.trial import Config, Dataset, Progress, Resources
from trainables.batches import in_order, slices
from trainables.image_store import read_images, unreadable
from trainables.models import Network, build_network
from trainables.objective import Objective, build_objective
from trainables.preprocess import parse_preprocess
from trainables.views import averaged, check_tta

BATCH = 64
Shapes = tuple[list[int], list[bool]]


def device_of(resources: Resources) -> torch.device:
    """The GPU, when there is one and some of it is granted; else the CPU."""
    return torch.device("cuda" if resources.gpus > 0 and torch.cuda.is_available() else "cpu")


def use_threads(resources: Resources) -> None:
    """torch computes on as many threads as CPUs are granted; OpenCV on the caller's thread alone."""
    if torch.get_num_threads() != resources.cpus:
        torch.set_num_threads(resources.cpus)
    cv2.setNumThreads(0)


def loader_pool(resources: Resources, device: torch.device) -> ThreadPoolExecutor | None:
    """Threads that prepare batches; None where they would only take turns with the training itself."""
    if device.type == "cpu" and resources.cpus <= 1:
        return None
    return ThreadPoolExecutor(max(1, resources.cpus), thread_name_prefix="batches")


def autocast(device: torch.device, amp: bool) -> Any:
    """Mixed precision on a GPU: bfloat16 where it has it, else float16. Nothing on a CPU."""
    if device.type != "cuda" or not amp:
        return nullcontext()
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.autocast("cuda", dtype=dtype)


def to_tensor(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(B, S, S, 3) uint8 array -> (B, 3, S, S) uint8 tensor; its memory is channels-last already."""
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    return tensor if device.type == "cpu" else tensor.pin_memory()


def factor_shapes(dataset: Dataset) -> Shapes:
    """Sizes of the label's factors and whether each is ordered; a target that says nothing is one factor."""
    if not dataset.factors:
        return [len(dataset.classes)], [False]
    factors = dataset.factors
    return [len(factor.classes) for factor in factors], [factor.edges is not None for factor in factors]


def _stored_shapes(weights: bytes, classes: int) -> Shapes:
    """What `ImageClassifier.weights` noted in the header. Raises ValueError, KeyError for damaged ones."""
    header = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    noted = header.get("__metadata__", {}).get("factors")
    if noted is None:  # of before there were factors
        return [classes], [False]
    sizes, ordered = json.loads(noted)
    return [int(size) for size in sizes], [bool(item) for item in ordered]


class ImagePredictor:
    """Keeps `orchestrator.trial.Predictor`."""

    def __init__(self, network: Network, objective: Objective, config: Config, resources: Resources) -> None:
        use_threads(resources)
        self._resources = resources
        self._device = device_of(resources)
        self._network = network.to(self._device).eval()
        self._objective = objective
        self._size, self._amp = config["image_size"], bool(config["amp"])
        self._preprocess = parse_preprocess(config["preprocess"])

    def predict(
        self,
        paths: Sequence[str],
        tta: str = "none",
        progress: Progress | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """Class probabilities (len(paths), C), rows summing to 1, averaged over the views that `tta` names.

        Raises ImageReadError naming every image that cannot be read, TrainableError for an unknown tta or
        columns that are missing.
        """
        check_tta(tta)
        chunks = slices(len(paths), BATCH)
        pool = loader_pool(self._resources, self._device)
        rows: list[NDArray[np.float32]] = [np.zeros((0, self._objective.classes), np.float32)]
        bad: list[str] = []
        try:
            batches = in_order(
                lambda step: self._read(paths, columns or {}, chunks[step]),
                len(chunks),
                pool,
                ahead=2 * self._resources.cpus,
            )
            for step, (images, found) in enumerate(batches):
                bad += found
                if not bad:  # with one unreadable image, only the others that are remain to be found
                    rows.append(self._forward(images, tta))
                if progress is not None:
                    progress(chunks[step].stop, len(paths))
        finally:
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)
        if bad:
            raise unreadable(bad, len(paths), Path())
        return np.concatenate(rows)

    def _read(
        self, paths: Sequence[str], columns: Mapping[str, NDArray[Any]], rows: slice
    ) -> tuple[NDArray[np.uint8], list[str]]:
        own = {name: column[rows] for name, column in columns.items()}
        return read_images(paths[rows], Path(), self._size, self._preprocess, own)

    @torch.no_grad()
    def _forward(self, images: NDArray[np.uint8], tta: str) -> NDArray[np.float32]:
        batch = to_tensor(images, self._device).to(self._device, non_blocking=True)

        def probabilities(view: Tensor) -> Tensor:
            with autocast(self._device, self._amp):
                outputs = self._network(view)
            return self._objective.probabilities(outputs.float())

        return np.asarray(averaged(probabilities, batch, tta).cpu().numpy(), np.float32)


def all_resources() -> Resources:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Resources(cpus=cpus, gpus=1.0 if torch.cuda.is_available() else 0.0)


def load_predictor(
    weights: bytes, config: Config, classes: int, resources: Resources | None = None
) -> ImagePredictor:
    """A predictor from a fold run's `weights()`. Raises WeightsError."""
    try:
        objective = build_objective(config, *_stored_shapes(weights, classes), None)
        if objective.classes != classes:
            raise ValueError(f"they are of {objective.classes} classes")
        network = build_network(config, objective, pretrained=False)
        network.load_state_dict(load(weights))
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"these weights do not fit backbone {config['backbone']!r} with {classes} classes: {error}"
        ) from error
    return ImagePredictor(network, objective, config, resources or all_resources())

"""One trained model in memory, predicting from image files as it did from the store."""

from __future__ import annotations

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

from orchestrator.errors import TrainableError, WeightsError
from orchestrator.trial import Config, Progress, Resources
from trainables.batches import in_order, slices
from trainables.image_store import read_images, unreadable
from trainables.models import Network, build_network

BATCH = 64
TTA = ("none", "flip")


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


def probabilities_of(logits: Tensor) -> NDArray[np.float32]:
    """Softmax in double precision, so that rows sum to 1 within float32's last digit. (B, C)."""
    rows: NDArray[np.float32] = torch.softmax(logits.double(), dim=1).float().cpu().numpy()
    return rows


class ImagePredictor:
    """Keeps `orchestrator.trial.Predictor`."""

    def __init__(self, network: Network, config: Config, resources: Resources) -> None:
        use_threads(resources)
        self._resources = resources
        self._device = device_of(resources)
        self._network = network.to(self._device).eval()
        self._size = int(config["image_size"])
        self._amp = bool(config["amp"])

    def predict(
        self,
        paths: Sequence[str],
        tta: str = "none",
        progress: Progress | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """Class probabilities (len(paths), C), rows summing to 1; tta "flip" averages over mirror images.

        Raises ImageReadError naming every image that cannot be read, TrainableError for an unknown tta.
        """
        if tta not in TTA:
            raise TrainableError(f"tta={tta!r} is not known; use one of {', '.join(TTA)}")
        chunks = slices(len(paths), BATCH)
        pool = loader_pool(self._resources, self._device)
        rows: list[NDArray[np.float32]] = [np.zeros((0, self._network.head.linear.out_features), np.float32)]
        bad: list[str] = []
        try:
            batches = in_order(
                lambda step: read_images(paths[chunks[step]], Path(), self._size),
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

    @torch.no_grad()
    def _forward(self, images: NDArray[np.uint8], tta: str) -> NDArray[np.float32]:
        batch = to_tensor(images, self._device).to(self._device, non_blocking=True)
        with autocast(self._device, self._amp):
            rows = probabilities_of(self._network(batch))
            if tta == "flip":
                mirrored = probabilities_of(self._network(batch.flip(3)))
                rows = ((rows + mirrored) / 2).astype(np.float32)
        return rows


def all_resources() -> Resources:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Resources(cpus=cpus, gpus=1.0 if torch.cuda.is_available() else 0.0)


def load_predictor(
    weights: bytes, config: Config, classes: int, resources: Resources | None = None
) -> ImagePredictor:
    """A predictor from a fold run's `weights()`. Raises WeightsError."""
    network = build_network(config, classes, pretrained=False)
    try:
        network.load_state_dict(load(weights))
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"these weights do not fit backbone {config['backbone']!r} with {classes} classes: {error}"
        ) from error
    return ImagePredictor(network, config, resources or all_resources())

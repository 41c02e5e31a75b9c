"""One trained model in memory, predicting from image files as it did from the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from orchestrator.core.callbacks import Progress
from orchestrator.core.cpu import cores
from orchestrator.core.errors import WeightsError
from orchestrator.core.trainable import Config, Resources
from trainables.device import autocast, device_of, loader_pool, to_tensor, use_threads
from trainables.images.pixels import Decoding
from trainables.images.preprocess import parse_preprocess
from trainables.images.reading import Unreadable, fit_images, read_images, unreadable
from trainables.images.tta import averaged, check_tta
from trainables.losses.objective import AnyObjective
from trainables.losses.target_shape import stored_shape
from trainables.network.network import Network, build_network
from trainables.prefetch import in_order, slices

BATCH = 64


class ImagePredictor:
    """Keeps `orchestrator.core.trainable.Predictor`."""

    def __init__(
        self, network: Network, objective: AnyObjective, config: Config, resources: Resources
    ) -> None:
        use_threads(resources)
        self._resources = resources
        self._device = device_of(resources)
        self._network = network.to(self._device).eval()
        self._objective = objective
        self._size, self._amp = config["image_size"], bool(config["amp"])
        self._preprocess = parse_preprocess(config["preprocess"])
        self._decoding = Decoding.of(config)

    def predict(
        self,
        paths: Sequence[str],
        tta: str = "none",
        progress: Progress | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """Class probabilities (len(paths), C), rows summing to 1, averaged over the views that `tta` names.

        Of a multi-label target (len(paths), L), each in [0, 1] by itself.

        Raises ImageReadError naming every image that cannot be read, TrainableError for an unknown tta or
        columns that are missing.
        """

        def read(rows: slice) -> tuple[NDArray[np.uint8], list[Unreadable]]:
            own = _columns_of(columns, rows)
            return read_images(paths[rows], Path(), self._size, self._preprocess, own, self._decoding)

        return self._predict(len(paths), read, tta, progress)

    def predict_arrays(
        self,
        images: Sequence[NDArray[np.uint8]],
        tta: str = "none",
        progress: Progress | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """The same of RGB pixels, (H, W, 3) each, upright, of any sizes: what lossless files would give.

        Raises TrainableError.
        """

        def fit(rows: slice) -> tuple[NDArray[np.uint8], list[Unreadable]]:
            own = _columns_of(columns, rows)
            return fit_images(images[rows], self._size, self._preprocess, own), []

        return self._predict(len(images), fit, tta, progress)

    def _predict(
        self,
        total: int,
        read: Callable[[slice], tuple[NDArray[np.uint8], list[Unreadable]]],
        tta: str,
        progress: Progress | None,
    ) -> NDArray[np.float32]:
        check_tta(tta)
        chunks = slices(total, BATCH)
        pool = loader_pool(self._resources, self._device)
        rows: list[NDArray[np.float32]] = [np.zeros((0, self._objective.classes), np.float32)]
        bad: list[Unreadable] = []
        try:
            batches = in_order(
                lambda step: read(chunks[step]),
                len(chunks),
                pool,
                ahead=2 * self._resources.cpus,
            )
            for step, (images, found) in enumerate(batches):
                bad += found
                if not bad:  # with one unreadable image, only the others that are remain to be found
                    rows.append(self._forward(images, tta))
                if progress is not None:
                    progress(chunks[step].stop, total)
        finally:
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)
        if bad:
            raise unreadable(bad, total, Path())
        return np.concatenate(rows)

    @torch.no_grad()
    def _forward(self, images: NDArray[np.uint8], tta: str) -> NDArray[np.float32]:
        batch = to_tensor(images, self._device).to(self._device, non_blocking=True)

        def probabilities(view: Tensor) -> Tensor:
            with autocast(self._device, self._amp):
                outputs = self._network(view)
            return self._objective.probabilities(outputs.float())

        return np.asarray(averaged(probabilities, batch, tta).cpu().numpy(), np.float32)


def _columns_of(columns: Mapping[str, NDArray[Any]] | None, rows: slice) -> dict[str, NDArray[Any]]:
    return {name: column[rows] for name, column in (columns or {}).items()}


def all_resources() -> Resources:
    return Resources(cpus=cores(), gpus=1.0 if torch.cuda.is_available() else 0.0)


def _metadata(weights: bytes) -> dict[str, str]:
    """What their header says beside tensors. Raises ValueError for what is no safetensors file."""
    header = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    return dict(header.get("__metadata__", {}))


def load_predictor(
    weights: bytes, config: Config, classes: int, resources: Resources | None = None
) -> ImagePredictor:
    """A predictor from a fold run's `weights()`. Raises WeightsError."""
    network, objective = build_trained(weights, config, classes)
    return ImagePredictor(network, objective, config, resources or all_resources())


def build_trained(weights: bytes, config: Config, classes: int) -> tuple[Network, AnyObjective]:
    """The network of `weights()`, and what its outputs mean. Raises WeightsError."""
    try:
        objective = stored_shape(_metadata(weights), classes).objective(config)
        if objective.classes != classes:
            raise ValueError(f"they are of {objective.classes} classes")
        network = build_network(config, objective, pretrained=False)
        network.load_state_dict(load(weights))
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"these weights do not fit backbone {config['backbone']!r} with {classes} classes: {error}"
        ) from error
    return network, objective

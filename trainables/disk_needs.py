"""Bytes of checkpoints and image stores, from the networks that a space can name; no weight is drawn."""

from __future__ import annotations

import contextlib
from itertools import product
from typing import Any

import torch
from torch import nn

from orchestrator.core.dataset import Dataset
from orchestrator.core.disk_needs import CheckpointBytes, DiskNeeds
from trainables.data_check import DEFAULTS, Values, values_of
from trainables.images.image_store import store_path
from trainables.images.pixels import Decoding
from trainables.images.preprocess import size_of
from trainables.losses.target_shape import target_shape
from trainables.network.network import build_network, check_backbone
from trainables.network.stored_weights import DTYPES, is_rounded
from trainables.preparation import stores_of

MOMENTS = {"sgd": 1, "adam": 2, "adamw": 2}
"""Optimizer -> numbers that it keeps for each one of the network's; SGD without momentum keeps none."""


def disk_needs(dataset: Dataset, values: Values) -> DiskNeeds | None:
    """None where no network can be made so. Raises TrainableError for a backbone that there is not."""
    found = [_of_network(network, values) for network in _networks(dataset, values)]
    if not found:
        return None
    least, most = [pair[0] for pair in found], [pair[1] for pair in found]
    return DiskNeeds(
        CheckpointBytes(min(item.weights for item in least), min(item.state for item in least)),
        CheckpointBytes(max(item.weights for item in most), max(item.state for item in most)),
        sum(_bytes_of_store(dataset, *store) for store in stores_of(values)),
    )


def _networks(dataset: Dataset, values: Values) -> list[nn.Module]:
    made: list[nn.Module] = []
    backbones, objective = values_of(values, "backbone"), target_shape(dataset).objective(DEFAULTS)
    for backbone in backbones:
        check_backbone(backbone)
    for backbone, image_size in product(backbones, values_of(values, "image_size")):
        config = {**DEFAULTS, "backbone": backbone, "image_size": image_size}
        # Who cannot be made of shapes alone, or not at this size, is judged when it is made (preparation.py).
        unmade = contextlib.suppress(RuntimeError, AssertionError, ValueError, NotImplementedError)
        with unmade, torch.device("meta"), torch.random.fork_rng(devices=[]):
            made.append(build_network(config, objective, pretrained=False))
    return made


def _of_network(network: nn.Module, values: Values) -> tuple[CheckpointBytes, CheckpointBytes]:
    """The least and the most: optimizers differ in what they keep, and an average is a second network."""
    weights = sum(item.numel() * item.element_size() for item in network.state_dict().values())
    trained = sum(item.numel() * item.element_size() for item in network.parameters())
    moments = [MOMENTS[name] for name in values_of(values, "optimizer")]
    averages = [float(decay) > 0 for decay in values_of(values, "ema_decay")]
    stored = [_stored(network, dtype) for dtype in values_of(values, "weights_dtype")]
    plain = "sgd" in values_of(values, "optimizer") and min(map(float, values_of(values, "momentum"))) == 0
    least = weights + trained * (0 if plain else min(moments)) + weights * all(averages)
    most = weights + trained * max(moments) + weights * any(averages)
    return CheckpointBytes(min(stored), least), CheckpointBytes(max(stored), most)


def _stored(network: nn.Module, dtype: str) -> int:
    """Bytes of the best epoch's weights, where no tensor is beyond the type's range."""
    tensors = network.state_dict().values()
    sizes = [DTYPES[dtype].itemsize if is_rounded(item, dtype) else item.element_size() for item in tensors]
    return sum(item.numel() * size for item, size in zip(tensors, sizes, strict=True))


def _bytes_of_store(dataset: Dataset, image_size: int | str, preprocess: str, *decoding: Any) -> int:
    """0 where it is there already."""
    if store_path(dataset, image_size, preprocess, Decoding(*decoding)).exists():
        return 0
    height, width = size_of(image_size)
    return len(dataset.paths) * height * width * 3

"""Bytes that a fold run can need on a CPU, from shapes alone: nothing is computed and no weight is drawn.

An upper estimate that costs milliseconds: where it fits, nobody has to measure.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from orchestrator.core.trainable import Resources
from trainables.disk_needs import MOMENTS
from trainables.images.preprocess import size_of
from trainables.losses.objective import AnyObjective, build_objective
from trainables.network.network import Network, build_network
from trainables.parameters import completed

MIB = 2**20
LIBRARIES = 300 * MIB
"""What Python, torch, timm and OpenCV hold once a network has been trained, without what they map."""
VALIDATION_ROWS = 64
SHAPING = ("backbone", "image_size", "head", "head_hidden")
"""The parameters that the shapes of a network follow from."""


class Shapes(NamedTuple):
    """Of a network at one batch, in bytes."""

    weights: int  # parameters and buffers
    trained: int  # parameters
    kept: int  # what the forward pass keeps for the backward pass
    largest: int  # the largest tensor among that


def cost_estimate(
    config: Mapping[str, Any], classes: int, resources: Resources, validated: int = VALIDATION_ROWS
) -> int:
    """Bytes of the process. validated: rows of a validation batch, where a batch is not larger.

    Raises what building a network raises, and for one that shapes do not suffice.
    """
    full = completed({**config, "pretrained": False})
    batch = int(full["batch_size"])
    shapes = shapes_of(full, classes, batch)
    moments = MOMENTS[full["optimizer"]] * shapes.trained
    average = shapes.weights if float(full["ema_decay"]) else 0
    sharpness = shapes.trained if float(full["sam_rho"]) else 0
    state = shapes.weights + moments + average
    learning = shapes.trained + sharpness + shapes.kept + 3 * shapes.largest
    validating = 3 * shapes.largest * max(validated, batch) // batch
    storing = 2 * state + 2 * shapes.weights
    return LIBRARIES + state + max(learning, validating) + storing + _batches(full, batch, resources)


def _batches(config: Mapping[str, Any], batch: int, resources: Resources) -> int:
    """Of pixels that wait: those of a step and those that loaders make ahead."""
    height, width = size_of(config["image_size"])
    ahead = 2 * resources.cpus if resources.cpus > 1 else 1
    return (int(config["accumulate"]) + 2 * ahead) * batch * height * width * 3


def shapes_of(config: Mapping[str, Any], classes: int, batch: int) -> Shapes:
    """Of tensors on the meta device, which have a shape and no memory."""
    return _shapes_of(tuple((name, config[name]) for name in SHAPING if name in config), classes, batch)


@functools.lru_cache(maxsize=256)  # configurations differ in far more than in shapes
def _shapes_of(shaping: tuple[tuple[str, Any], ...], classes: int, batch: int) -> Shapes:
    config = completed(dict(shaping))
    objective = plain_objective(config, classes)
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        network = build_network(config, objective, pretrained=False)
        images = torch.empty(batch, 3, *size_of(config["image_size"]), dtype=torch.uint8)
    return _shapes(network.train(), images)


def _shapes(network: Network, images: Tensor) -> Shapes:
    own = {item.untyped_storage()._cdata for item in [*network.parameters(), *network.buffers()]}
    kept: dict[int, tuple[int, Any]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = (storage.nbytes(), storage)  # itself too: its number must not be reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = network(images)
    sizes = [size for size, _ in kept.values()] + [outputs.nbytes]
    return Shapes(
        sum(item.nbytes for item in network.state_dict().values()),
        sum(item.nbytes for item in network.parameters()),
        sum(sizes),
        max(sizes),
    )


def plain_objective(config: Mapping[str, Any], classes: int) -> AnyObjective:
    """Losses differ by a few numbers a row: one stands for all."""
    plain = {**config, "loss": "cross_entropy", "branches": False, "class_weights": "none"}
    return build_objective({**plain, "logit_adjustment": 0.0}, [classes], [False], None)

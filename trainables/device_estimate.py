"""Bytes of a GPU that a fold run's network can need, from shapes alone, before anything is there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from trainables.cost_estimate import MIB, shapes_of
from trainables.disk_needs import MOMENTS

log = logging.getLogger(__name__)

CONTEXT = 1024 * MIB
"""What CUDA, cuDNN and cuBLAS hold in a process: kernels, the context, workspaces."""
MARGIN = 1.25  # for memory that the allocator holds in pieces that fit nothing


def network_bytes(config: Mapping[str, Any], classes: int) -> int:
    """Weights, gradients, moments, averages and the activations of a batch in float32: an upper estimate.

    Mixed precision keeps about half of the activations' bytes. 0 where shapes do not tell. config: complete.
    """
    try:
        shapes = shapes_of(config, classes, int(config["batch_size"]))
    except RuntimeError as error:  # an operation without a kernel for shapes, or one that looks at values
        log.info("no estimate of the network's memory: %s", error)
        return 0
    states = 1 + MOMENTS[config["optimizer"]] + bool(config["sam_rho"])  # gradients, moments, the way back
    own = shapes.weights * (1 + bool(config["ema_decay"])) + states * shapes.trained
    return CONTEXT + int(MARGIN * (own + shapes.kept + 3 * shapes.largest))

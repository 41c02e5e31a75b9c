"""Randomness by position: every random draw follows from a fold run's seed and where in it the draw is made.

Nothing carries over from one epoch to the next, so a fold run that continues from a stored epoch draws what
the uninterrupted one drew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# What a draw is for. The number keeps the streams of one position apart; it is part of every seed, so another
# number would change what a study that is continued draws.
WEIGHTS = 0  # the untrained network
ROW_ORDER = 1  # which rows an epoch visits, in which order
AUGMENT = 2  # how the images of one batch are changed
NETWORK = 3  # dropout and stochastic depth of one epoch
REPEAT = 4  # how validation repeats are changed


def stream(seed: int, purpose: int, *position: int) -> np.random.Generator:
    """A generator of its own for one purpose at one position (epoch, step)."""
    return np.random.default_rng([seed, purpose, *position])


@contextmanager
def torch_seeded(device: torch.device, seed: int, purpose: int, *position: int) -> Iterator[None]:
    """Within, torch's generators start from this position; afterwards they are as they were before."""
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(stream(seed, purpose, *position).integers(2**63)))
        yield

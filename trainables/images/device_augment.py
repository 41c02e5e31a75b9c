"""The language of augment.py over tensors of a batch, on whatever device they are.

The same steps as on the CPU, with the same chances and distributions; docs/explanation/device_input.md says
how near each comes. Who goes through a step and by how much is drawn on the host and goes over in one copy
that nothing waits for, so a batch is the same on every device. Only the numbers of `noise` are drawn there.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.images.augment import spec_of
from trainables.images.augment_spec import parse_augment
from trainables.images.device_steps.ops import Op, Shape, merged, run
from trainables.images.device_steps.plan import planned


class DeviceAugmenter:
    """The training pipeline for batches of tensors, from any thread; it has no state.

    spec: a named strength or steps; rare: the same for rows of rare classes, "" as the others.
    Raises TrainableError.
    """

    def __init__(self, spec: str, rare: str = "") -> None:
        self._common = parse_augment(spec_of(spec, "augment"), "augment")
        self._rare = parse_augment(spec_of(rare, "augment_rare"), "augment_rare") if rare else None

    def __call__(
        self, images: Tensor, rng: np.random.Generator, is_rare: NDArray[np.bool_] | None = None
    ) -> Tensor:
        """images (B, 3, H, W) uint8 on any device, is_rare (B,) -> the same shape, dtype and device, new."""
        shape = (int(images.shape[2]), int(images.shape[3]))
        ops = self.planned(len(images), shape, rng, is_rare)
        return run(ops, images.float()).to(torch.uint8) if ops else images.clone()

    def planned(
        self, count: int, shape: Shape, rng: np.random.Generator, is_rare: NDArray[np.bool_] | None = None
    ) -> list[Op]:
        """All that is drawn for a batch of `count` images of this height and width."""
        rows = np.arange(count)
        if self._rare is None or is_rare is None or not is_rare.any():
            return merged(planned(self._common, shape, rows, rng))
        common = planned(self._common, shape, rows[~is_rare], rng)
        return merged([*common, *planned(self._rare, shape, rows[is_rare], rng)])

"""The same as mixing.py on tensors of any device: drawn on the host, computed where the images are.

Nothing synchronises: the share and the box are numbers that the host knows, and only the partners cross over.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.images.mixing import Box, draw_mix

Put = Callable[[NDArray[np.int64]], Tensor]
"""An array of the host on the device of the images."""


def mix_tensors(
    images: Tensor,
    targets: Tensor,
    classes: int,
    kind: str,
    alpha: float,
    probability: float,
    rng: np.random.Generator,
    put: Put,
) -> tuple[Tensor, Tensor]:
    """images (B, 3, H, W) uint8, targets (B,) or (B, L) int64: as `mixing.mix_batch`, by the same draws.

    Values that mixup averages may differ from OpenCV's by one level where they lie between two.
    Raises TrainableError.
    """
    mix = draw_mix((len(images), *images.shape[2:]), kind, alpha, probability, rng)
    if mix is None:
        return images, targets
    partner = put(mix.partner)
    mixed = _blend(images, partner, mix.share) if mix.box is None else _paste(images, partner, mix.box)
    rows = _one_hot(targets, classes) if targets.ndim == 1 else targets.double()
    soft = mix.share * rows + (1.0 - mix.share) * rows.index_select(0, partner)
    return mixed, soft.float()


def _blend(images: Tensor, partner: Tensor, share: float) -> Tensor:
    own = images.float()
    mixed = own.mul(share).add_(own.index_select(0, partner), alpha=1.0 - share)
    return mixed.round_().clamp_(0, 255).to(torch.uint8)


def _paste(images: Tensor, partner: Tensor, box: Box) -> Tensor:
    inside = (slice(None), slice(None), *box)
    mixed = images.clone()
    mixed[inside] = images[inside].index_select(0, partner)
    return mixed


def _one_hot(targets: Tensor, classes: int) -> Tensor:
    """(B, classes) float64; torch's own one_hot looks at the largest class, which makes a GPU wait."""
    return (targets[:, None] == torch.arange(classes, device=targets.device)).double()

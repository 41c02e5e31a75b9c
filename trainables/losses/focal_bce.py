"""Focal loss of each label: answers that are easy already count less. Lin et al. 2017, equation 5
(https://arxiv.org/abs/1708.02002).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.trainable import Parameter
from trainables.losses.contract import Loss

if TYPE_CHECKING:
    from torch import Tensor


def focal_bce_terms(logits: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Absent: -(1 - alpha) p^gamma log(1 - p); present: -alpha (1 - p)^gamma log p. (B, L) -> (B, L, 2).

    p is the label's probability. gamma 0 and alpha 0.5 are half the binary cross-entropy.
    """
    import torch
    import torch.nn.functional as F

    # The floor keeps the power's slope finite where p is 0 or 1 and gamma below 1.
    hard, easy = logits.sigmoid().clamp_min(1e-8), (-logits).sigmoid().clamp_min(1e-8)
    absent = -(1.0 - alpha) * hard**gamma * F.logsigmoid(-logits)
    present = -alpha * easy**gamma * F.logsigmoid(logits)
    return torch.stack([absent, present], dim=2)


LOSS = Loss(
    "focal_bce",
    "sigmoid",
    terms=focal_bce_terms,
    parameters={
        "focal_bce_gamma": Parameter(
            2.0, minimum=0.0, maximum=10.0, doc="focal_bce: how much less easy answers count"
        ),
        "focal_bce_alpha": Parameter(
            0.25,
            minimum=0.0,
            maximum=1.0,
            doc="focal_bce: weight of a present label, the rest of an absent one",
        ),
    },
)

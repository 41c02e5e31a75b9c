"""Focal loss: rows that are easy already count less. Lin et al. 2017 (https://arxiv.org/abs/1708.02002)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.trainable import Parameter
from trainables.losses.contract import Loss

if TYPE_CHECKING:
    from torch import Tensor


def focal_terms(logits: Tensor, gamma: float = 2.0) -> Tensor:
    """-(1 - p)^gamma * log p; gamma 0 is cross-entropy. (B, C) -> (B, C).

    The source's class weights alpha are `class_weights` here.
    """
    log_p = logits.log_softmax(dim=1)
    # The floor keeps the power's slope finite where p is 1 and gamma below 1.
    return -((-log_p.expm1()).clamp_min(1e-8) ** gamma) * log_p


LOSS = Loss(
    "focal",
    "softmax",
    terms=focal_terms,
    parameters={
        "focal_gamma": Parameter(2.0, minimum=0.0, maximum=10.0, doc="focal: how much less easy rows count")
    },
)

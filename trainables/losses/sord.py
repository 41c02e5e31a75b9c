"""Soft labels by distance between ordered classes. Díaz & Marathe 2019 (Soft Labels for Ordinal Regression,
CVPR).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.trainable import Parameter
from trainables.losses.contract import Loss

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def distance_labels(classes: int, scale: float, device: torch.device | None = None) -> Tensor:
    """Row c: the soft label of class c, softmax over j of -scale * |c - j|. (K, K) float64, rows sum to 1."""
    import torch  # here: the parameter table imports this file and must not wait for torch

    index = torch.arange(classes, dtype=torch.float64, device=device)
    return torch.softmax(-scale * (index[:, None] - index[None, :]).abs(), dim=1)


def sord_terms(logits: Tensor, scale: float = 1.0) -> Tensor:
    """Cross-entropy of each class's soft label. logits (B, K) -> (B, K)."""
    labels = distance_labels(logits.shape[1], scale, logits.device).to(logits)
    return -logits.log_softmax(dim=1) @ labels.T


LOSS = Loss(
    "sord",
    "softmax",
    ordered=True,
    terms=sord_terms,
    parameters={
        "sord_scale": Parameter(
            1.0, minimum=0.01, maximum=100.0, doc="sord: how fast a soft label falls off with distance"
        )
    },
)

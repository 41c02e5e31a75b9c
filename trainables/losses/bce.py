"""Binary cross-entropy of each label; with `label_smoothing`, Szegedy et al. 2016 for two answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.losses.contract import Loss

if TYPE_CHECKING:
    from torch import Tensor


def bce_terms(logits: Tensor) -> Tensor:
    """-log of the probability that a label is absent, and that it is present. (B, L) -> (B, L, 2)."""
    import torch
    import torch.nn.functional as F

    return -torch.stack([F.logsigmoid(-logits), F.logsigmoid(logits)], dim=2)


LOSS = Loss("bce", "sigmoid", terms=bce_terms)

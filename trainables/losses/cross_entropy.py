"""Cross-entropy; with `label_smoothing`, Szegedy et al. 2016."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.losses.contract import Loss

if TYPE_CHECKING:
    from torch import Tensor


def cross_entropy_terms(logits: Tensor) -> Tensor:
    """-log p. (B, C) -> (B, C)."""
    return -logits.log_softmax(dim=1)


LOSS = Loss("cross_entropy", "softmax", terms=cross_entropy_terms)

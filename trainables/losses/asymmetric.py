"""Asymmetric loss: labels that are absent, which are many, are focused on harder than those that are present.

Ridnik et al. 2021 (https://arxiv.org/abs/2009.14119). Whole labels cost what timm's AsymmetricLossMultiLabel
says, but for the mean over labels in place of their sum. timm's own gives no terms, which soft targets and
weights need, and its gradient is lost where a sigmoid is 0 or 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.trainable import Parameter
from trainables.losses.contract import Loss

if TYPE_CHECKING:
    from torch import Tensor


def asymmetric_terms(
    logits: Tensor, gamma_neg: float = 4.0, gamma_pos: float = 1.0, clip: float = 0.05
) -> Tensor:
    """Absent: -m^gamma_neg log(1 - m), m = max(p - clip, 0); present: -(1 - p)^gamma_pos log p.

    p is the label's probability. (B, L) -> (B, L, 2). Both gammas and clip 0 are binary cross-entropy.
    """
    import torch
    import torch.nn.functional as F

    shifted = (logits.sigmoid() - clip).clamp_min(1e-8)  # the floor keeps a power's slope below 1 finite
    log_absent = (1.0 - shifted).log() if clip else F.logsigmoid(-logits)
    absent = -(shifted**gamma_neg) * log_absent
    present = -((-logits).sigmoid().clamp_min(1e-8) ** gamma_pos) * F.logsigmoid(logits)
    return torch.stack([absent, present], dim=2)


LOSS = Loss(
    "asymmetric",
    "sigmoid",
    terms=asymmetric_terms,
    parameters={
        "asymmetric_gamma_neg": Parameter(
            4.0, minimum=0.0, maximum=10.0, doc="asymmetric: how much less easy absent labels count"
        ),
        "asymmetric_gamma_pos": Parameter(
            1.0, minimum=0.0, maximum=10.0, doc="asymmetric: how much less easy present labels count"
        ),
        "asymmetric_clip": Parameter(
            0.05,
            minimum=0.0,
            maximum=0.5,
            doc="asymmetric: an absent label less likely than this costs nothing",
        ),
    },
)

"""Losses and probabilities of K ordered classes: soft labels by distance, CORAL and CORN.

CORAL and CORN have K - 1 outputs, one for each threshold k between class k and class k + 1. A loss is given
as terms (B, K): what a row would cost if its class were c. The loss of a soft target is their mean under it.
For CORAL that is the loss of the expected levels, for CORN the cross-entropy of its probabilities.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def distance_labels(classes: int, scale: float, device: torch.device | None = None) -> Tensor:
    """Row c is the soft label of class c: softmax over j of -scale * |c - j|. (K, K) float64, rows sum to 1.

    Source: Díaz & Marathe 2019 (Soft Labels for Ordinal Regression, CVPR).
    """
    place = torch.arange(classes, dtype=torch.float64, device=device)
    return torch.softmax(-scale * (place[:, None] - place[None, :]).abs(), dim=1)


def sord_terms(logits: Tensor, scale: float = 1.0) -> Tensor:
    """Cross-entropy of each class's soft label. logits (B, K) -> (B, K)."""
    labels = distance_labels(logits.shape[1], scale, logits.device).to(logits)
    return -F.log_softmax(logits, dim=1) @ labels.T


def coral_terms(outputs: Tensor) -> Tensor:
    """For each class the sum of K - 1 binary cross-entropies of "above threshold k". (B, K - 1) -> (B, K).

    Source: Cao, Mirjalili & Raschka 2020 (https://arxiv.org/abs/1901.07884), importance weights 1.
    """
    above = _sum_before(-F.logsigmoid(outputs))  # class c is above thresholds 0 .. c - 1
    below = -F.logsigmoid(-outputs.flip(1))  # and below thresholds c .. K - 2
    return above + _sum_before(below).flip(1)


def corn_terms(outputs: Tensor) -> Tensor:
    """For each class the sum of the binary cross-entropies of its tasks. (B, K - 1) -> (B, K).

    Task k asks of the rows above threshold k - 1 whether they are above k, so class c is in tasks 0 .. c. The
    sum is -log of the class's probability by the chain rule, see `corn_probabilities`.
    Source: Shi, Cao & Raschka 2021 (https://arxiv.org/abs/2111.08851).
    """
    passed = _sum_before(-F.logsigmoid(outputs))
    return passed + F.pad(-F.logsigmoid(-outputs), (0, 1))  # the last class fails at no threshold


def corn_tasks(classes: int, device: torch.device | None = None) -> Tensor:
    """How many tasks a row of each class takes part in: CORN's mean is over rows and tasks. (K,) float64."""
    return torch.arange(1, classes + 1, dtype=torch.float64, device=device).clamp_max(classes - 1)


def coral_probabilities(outputs: Tensor) -> Tensor:
    """(B, K - 1) -> class probabilities (B, K), float64.

    P(c) = P(y > c - 1) - P(y > c). The biases are in order at the optimum, not on the way there: the running
    minimum of P(y > k) keeps every difference from being negative.
    """
    above = torch.sigmoid(outputs.double()).cummin(dim=1).values
    edges = F.pad(F.pad(above, (1, 0), value=1.0), (0, 1), value=0.0)
    return edges[:, :-1] - edges[:, 1:]


def corn_probabilities(outputs: Tensor) -> Tensor:
    """(B, K - 1) -> class probabilities (B, K), float64: P(c) = (1 - f_c) * prod over k < c of f_k."""
    return torch.exp(-corn_terms(outputs.double()))


def _sum_before(values: Tensor) -> Tensor:
    """(B, K - 1) -> (B, K): at c the sum of the values before place c."""
    return F.pad(values.cumsum(dim=1), (1, 0))

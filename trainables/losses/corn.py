"""CORN: the question "above threshold k?" asked of the rows above k - 1. Shi, Cao & Raschka 2021
(https://arxiv.org/abs/2111.08851).

The loss of a soft target is the cross-entropy of the probabilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.losses.contract import Loss

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def corn_terms(outputs: Tensor) -> Tensor:
    """For each class the sum of the binary cross-entropies of its tasks. (B, K - 1) -> (B, K).

    Task k asks of the rows above threshold k - 1 whether they are above k, so class c is in tasks 0 .. c. The
    sum is -log of the class's probability by the chain rule, see `corn_probabilities`.
    """
    from torch.nn import functional as F

    from trainables.losses.thresholds import minus_log_sigmoid, sum_before

    passed = sum_before(minus_log_sigmoid(outputs))
    return passed + F.pad(minus_log_sigmoid(-outputs), (0, 1))  # the last class fails at no threshold


def corn_tasks(classes: int, device: torch.device | None = None) -> Tensor:
    """How many tasks a row of each class takes part in: CORN's mean is over rows and tasks. (K,) float64."""
    import torch

    return torch.arange(1, classes + 1, dtype=torch.float64, device=device).clamp_max(classes - 1)


def corn_probabilities(outputs: Tensor) -> Tensor:
    """(B, K - 1) -> class probabilities (B, K), float64: P(c) = (1 - f_c) * prod over k < c of f_k."""
    return corn_terms(outputs.double()).neg().exp()


LOSS = Loss(
    "corn",
    "cumulative",
    ordered=True,
    terms=corn_terms,
    tasks=corn_tasks,
    probabilities=corn_probabilities,
)

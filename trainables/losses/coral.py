"""CORAL: one binary question "above threshold k?" for each k. Cao, Mirjalili & Raschka 2020
(https://arxiv.org/abs/1901.07884), importance weights 1.

The loss of a soft target is the loss of the expected levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.losses.contract import Loss

if TYPE_CHECKING:
    from torch import Tensor


def coral_terms(outputs: Tensor) -> Tensor:
    """For each class the sum of K - 1 binary cross-entropies of "above threshold k". (B, K - 1) -> (B, K)."""
    from trainables.losses.thresholds import minus_log_sigmoid, sum_before

    above = sum_before(minus_log_sigmoid(outputs))  # class c is above thresholds 0 .. c - 1
    below = minus_log_sigmoid(-outputs.flip(1))  # and below thresholds c .. K - 2
    return above + sum_before(below).flip(1)


def coral_probabilities(outputs: Tensor) -> Tensor:
    """(B, K - 1) -> class probabilities (B, K), float64.

    P(c) = P(y > c - 1) - P(y > c). The biases are in order at the optimum, not on the way there: the running
    minimum of P(y > k) keeps every difference from being negative.
    """
    from torch.nn import functional as F

    above = outputs.double().sigmoid().cummin(dim=1).values
    edges = F.pad(F.pad(above, (1, 0), value=1.0), (0, 1), value=0.0)
    return edges[:, :-1] - edges[:, 1:]


LOSS = Loss(
    "coral",
    "cumulative",
    ordered=True,
    terms=coral_terms,
    probabilities=coral_probabilities,
    coral_layer=True,
)

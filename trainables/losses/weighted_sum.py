"""The terms of a mixture of losses as one number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainables.losses.contract import Loss
from trainables.losses.mixture_text import WeightedLoss


def weighted_sum(
    terms: Sequence[WeightedLoss],
    outputs: Tensor,
    rows: Tensor,
    smooth: Tensor,
    mean: Callable[[Loss, Tensor], Tensor],
) -> Tensor:
    """Scalar. mean: of a loss, from what each row would cost; a loss of the whole batch needs none.

    outputs (B, W), rows (the target) and smooth (the target, smoothed), as the losses take them.
    """
    parts = []
    for term in terms:
        loss = term.loss
        if loss.of_batch is not None:
            part = loss.of_batch(outputs, rows, smooth, *term.values)
        else:
            assert loss.terms is not None  # table_of refuses a loss that has neither
            part = mean(loss, loss.terms(outputs, *term.values))
        parts.append(term.weight * part)
    return torch.stack(parts).sum()

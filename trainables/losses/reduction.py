"""From what each row would cost to one number.

A target is classes (B,) int64 or soft rows (B, C) (mixup); of several labels (B, L), 0, 1 or between.

A loss that is a mean over rows is given as terms (B, C): what a row would cost if its class were c. With soft
targets t and class weights w it is then sum(w * t * terms) / sum(w * t), see `weighted_mean`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def soft_targets(target: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The target as rows (B, C) of shares."""
    if target.ndim == 1:  # not F.one_hot, which looks at the classes on a CPU before it makes rows
        target = target[:, None] == torch.arange(classes, device=target.device)
    return target.to(dtype)


def smoothed(rows: Tensor, smoothing: float) -> Tensor:
    """`1 - smoothing` of the rows (B, C), the rest spread evenly over the classes (Szegedy et al. 2016)."""
    return rows * (1.0 - smoothing) + smoothing / rows.shape[1] if smoothing else rows


def weighted_mean(
    terms: Tensor, rows: Tensor, smooth: Tensor, weights: Tensor | None = None, tasks: Tensor | None = None
) -> Tensor:
    """sum(w * smooth * terms) / sum(w * rows), a scalar; with tasks (C,), sum(w * rows * tasks) below.

    terms, rows (the target) and smooth (the target, smoothed) are (B, C), weights (C,). Just as in
    torch.nn.functional.cross_entropy the weight of a class goes with its share, and smoothing is not in the
    divisor; but there soft targets divide by B, here they agree with hard ones.
    """
    if weights is not None:
        rows, smooth = rows * weights, smooth * weights
    if tasks is not None:  # CORN: a row counts once for each binary question it is asked
        rows = rows * tasks
    # a batch of nothing but weightless classes costs nothing, where 0 / 0 would be NaN
    return (smooth * terms).sum() / rows.sum().clamp_min(torch.finfo(terms.dtype).tiny)


def label_mean(terms: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over rows and labels of w_absent * (1 - t) * absent + w_present * t * present, a scalar.

    terms (B, L, 2): what a label would cost if absent, if present; target t (B, L) in [0, 1]; weights (L, 2).
    Just as in torch.nn.functional.binary_cross_entropy_with_logits weights are not in the divisor.
    """
    shares = torch.stack([1.0 - target, target], dim=2)
    return (terms * (shares if weights is None else shares * weights)).sum(dim=2).mean()


def smoothed_labels(target: Tensor, smoothing: float) -> Tensor:
    """`1 - smoothing` of the target (B, L), the rest spread evenly over present and absent."""
    return target * (1.0 - smoothing) + smoothing / 2 if smoothing else target

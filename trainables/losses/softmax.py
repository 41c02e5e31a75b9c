"""Losses of logits (B, C). A target is classes (B,) int64 or soft rows (B, C) summing to 1 (mixup).

A loss that is a mean over rows is given as terms (B, C): what a row would cost if its class were c. With soft
targets t and class weights w it is then sum(w * t * terms) / sum(w * t), see `weighted_mean`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_targets(target: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The target as rows (B, C) of shares."""
    return (F.one_hot(target, classes) if target.ndim == 1 else target).to(dtype)


def smoothed(rows: Tensor, smoothing: float) -> Tensor:
    """`1 - smoothing` of the rows (B, C), the rest spread evenly over the classes (Szegedy et al. 2016)."""
    return rows * (1.0 - smoothing) + smoothing / rows.shape[1] if smoothing else rows


def cross_entropy_terms(logits: Tensor) -> Tensor:
    """-log p. (B, C) -> (B, C)."""
    return -F.log_softmax(logits, dim=1)


def focal_terms(logits: Tensor, gamma: float = 2.0) -> Tensor:
    """-(1 - p)^gamma * log p; gamma 0 is cross-entropy. (B, C) -> (B, C).

    Source: Lin et al. 2017 (https://arxiv.org/abs/1708.02002), without the class weights alpha.
    """
    log_p = F.log_softmax(logits, dim=1)
    # the floor keeps the power's slope finite where p is 1 and gamma below 1
    return -((-torch.expm1(log_p)).clamp_min(1e-8) ** gamma) * log_p


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
    if tasks is not None:
        rows = rows * tasks
    # a batch of nothing but weightless classes costs nothing, where 0 / 0 would be NaN
    return (smooth * terms).sum() / rows.sum().clamp_min(torch.finfo(terms.dtype).tiny)


def soft_f1(logits: Tensor, rows: Tensor, smooth: Tensor | None = None) -> Tensor:
    """1 - the mean over classes of 2 TP / (2 TP + FP + FN), counts being sums of probabilities. In [0, 1].

    logits, rows (the target) and smooth (the target, smoothed) are (B, C). Only classes that the batch's
    target has are averaged: an absent one has F1 0 whatever the network says, which would add a constant that
    goes with the batch; what is wrongly given to it is missing from the others' TP already.
    Source: Bénédict et al. 2022, sigmoidF1 (https://arxiv.org/abs/2108.10566), here of softmax probabilities.
    """
    p = torch.softmax(logits, dim=1)
    target = rows if smooth is None else smooth
    f1 = 2.0 * (target * p).sum(dim=0) / (target.sum(dim=0) + p.sum(dim=0)).clamp_min(1e-12)
    present = (rows.sum(dim=0) > 0).to(f1)
    return 1.0 - (f1 * present).sum() / present.sum()

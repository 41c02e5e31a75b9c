"""Losses of logits (B, C) against classes (B,) int64 or soft targets (B, C) with rows summing to 1."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from orchestrator.errors import TrainableError
from orchestrator.trial import Config

Loss = Callable[[Tensor, Tensor], Tensor]


def soft_targets(target: Tensor, classes: int, smoothing: float = 0.0) -> Tensor:
    """Targets as float rows (B, C): `1 - smoothing` as given, the rest spread evenly (Szegedy 2016)."""
    rows = F.one_hot(target, classes) if target.ndim == 1 else target
    return rows.to(torch.get_default_dtype()) * (1.0 - smoothing) + smoothing / classes


def cross_entropy(logits: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy, a scalar >= 0."""
    return F.cross_entropy(logits, target, label_smoothing=label_smoothing)


def focal(logits: Tensor, target: Tensor, gamma: float = 2.0, label_smoothing: float = 0.0) -> Tensor:
    """Mean of -sum_c t_c (1 - p_c)^gamma log p_c, a scalar >= 0; gamma 0 is cross-entropy.

    Source: Lin et al. 2017 (https://arxiv.org/abs/1708.02002), without the class weights alpha, written for
    soft targets.
    """
    log_p = F.log_softmax(logits, dim=1)
    # the floor keeps the power's slope finite where p is 1 and gamma below 1
    weight = (-torch.expm1(log_p)).clamp_min(1e-8) ** gamma
    rows = soft_targets(target, logits.shape[1], label_smoothing)
    return -(rows * weight * log_p).sum(dim=1).mean()


def build_loss(config: Config) -> Loss:
    """The training loss a configuration names. Raises TrainableError."""
    smoothing = float(config["label_smoothing"])
    if config["loss"] == "cross_entropy":
        return lambda logits, target: cross_entropy(logits, target, smoothing)
    if config["loss"] == "focal":
        gamma = float(config["focal_gamma"])
        return lambda logits, target: focal(logits, target, gamma, smoothing)
    raise TrainableError(f"loss={config['loss']!r} is not known; use cross_entropy or focal")

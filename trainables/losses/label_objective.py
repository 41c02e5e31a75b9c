"""What a network's outputs mean where a row may have several labels: logits whose sigmoids are probabilities.

Every label is a question of two answers, and what `objective.py` does with classes is done with them:
smoothing is spread over the two, class_weights are those of the two, logit_adjustment adds tau times their
log odds to the logits of the loss and never to those of the probabilities. Losses take soft targets (mixup).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.core.errors import TrainableError
from orchestrator.core.trainable import Config
from trainables.losses import reduction
from trainables.losses.class_weights import label_weights, log_odds
from trainables.losses.contract import Loss
from trainables.losses.mixture_text import WeightedLoss, loss_text, of_labels, parse_loss
from trainables.losses.weighted_sum import weighted_sum


@dataclass(frozen=True)
class LabelObjective:
    """Built by `build_objective`, as an `Objective` is and with the same face: outputs and targets (B, L)."""

    terms: tuple[WeightedLoss, ...]  # of sigmoid losses
    labels: int  # L
    smoothing: float = 0.0  # share of a target spread evenly over present and absent
    missing_counts_for: str = ""  # the parameter that a loss needs counts for, when there were none
    weights: Tensor | None = None  # (L, 2) of absent and present; None: every answer counts alike
    shift: Tensor | None = None  # (L,) added to the logits in training; None: nothing

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.labels,)

    @property
    def coral(self) -> tuple[bool, ...]:
        return (False,)

    @property
    def classes(self) -> int:
        """Columns of the probabilities."""
        return self.labels

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Scalar. outputs (B, L), or (S, B, L) whose S losses are averaged; target (B, L) in [0, 1].

        Raises TrainableError when counts are missing.
        """
        refuse_missing_counts(self.missing_counts_for)
        if outputs.ndim == 3:
            return torch.stack([self.loss(sample, target) for sample in outputs]).mean()
        if self.shift is not None:
            outputs = outputs + self.shift.to(outputs)
        rows = target.to(outputs.dtype)
        smooth = reduction.smoothed_labels(rows, self.smoothing)
        weights = None if self.weights is None else self.weights.to(outputs)

        def mean(loss: Loss, terms: Tensor) -> Tensor:
            return reduction.label_mean(terms, smooth, weights)

        return weighted_sum(self.terms, outputs, rows, smooth, mean)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """(B, L) -> (B, L) float64, each in [0, 1]: of every label by itself, a row need not sum to 1."""
        return outputs.double().sigmoid()

    def to(self, device: torch.device) -> LabelObjective:
        """The same, its weights and priors on the device: else each loss copies them there."""
        weights, shift = self.weights, self.shift
        return replace(
            self,
            weights=None if weights is None else weights.to(device),
            shift=None if shift is None else shift.to(device),
        )


def build_label_objective(
    config: Config, labels: int, counts: NDArray[np.int64] | None, lacking: str
) -> LabelObjective:
    """Of L labels. counts (L, 2): training rows without and with each; lacking: what needs them if None.

    Raises TrainableError.
    """
    text = loss_text(config, multi_label=True)
    terms = of_labels(parse_loss(text), text, config)
    objective = LabelObjective(terms, labels, float(config["label_smoothing"]), lacking)
    if counts is None:
        return objective
    weights = label_weights(str(config["class_weights"]), counts, float(config["effective_beta"]))
    tau = float(config["logit_adjustment"])
    return replace(
        objective,
        weights=None if weights is None else torch.from_numpy(weights),
        shift=torch.from_numpy(tau * log_odds(counts)) if tau else None,
    )


def refuse_missing_counts(parameter: str) -> None:
    """Raises TrainableError for a parameter that needs counts that are not there; "" needs none."""
    if parameter:
        raise TrainableError(
            f"{parameter} needs the class counts of the training rows; set it to its default"
        )

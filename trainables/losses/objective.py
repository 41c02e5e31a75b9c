"""What a network's outputs mean: the loss they are trained with and the class probabilities they stand for.

A label may have several factors (age bin and mask, say), its class numbers in mixed radix. Without branches
the network predicts the joint classes. With branches each factor has outputs, a loss, and class weights and
priors of its own; the loss is the mean over branches, the probabilities are the product. A factor whose
classes have no order takes cross_entropy in place of sord, coral and corn. Where a row may have several
labels, `label_objective.py` has the objective.

Every loss takes soft targets (mixup, label smoothing). class_weights bear on every loss that is a mean over
rows, which is all but soft_f1: macro F1 counts the classes alike already. logit_adjustment bears on every
softmax loss (Menon et al. 2020, https://arxiv.org/abs/2007.07314): tau * log(prior) is added to the logits of
the loss and never to those of the probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.core.errors import TrainableError
from orchestrator.core.trainable import Config
from trainables.losses import reduction
from trainables.losses.class_weights import class_weights, log_prior, marginal_counts
from trainables.losses.contract import Loss
from trainables.losses.label_objective import LabelObjective, build_label_objective, refuse_missing_counts
from trainables.losses.mixture_text import (
    SOFTMAX,
    LossSpec,
    WeightedLoss,
    check_order,
    cumulative,
    for_factor,
    loss_text,
    of_classes,
    parse_loss,
)
from trainables.losses.weighted_sum import weighted_sum


@dataclass(frozen=True)
class Branch:
    """The objective of one factor of K classes: outputs (B, width), targets (B, K)."""

    terms: tuple[WeightedLoss, ...]
    classes: int  # K
    weights: Tensor | None = None  # (K,) class weights; None: every row counts alike
    shift: Tensor | None = None  # (K,) added to the logits in training; None: nothing

    @property
    def alone(self) -> Loss | None:
        """The loss of thresholds, where it is one; those of a softmax share what follows from it."""
        return next((term.loss for term in self.terms if term.loss.kind == "cumulative"), None)

    @property
    def width(self) -> int:
        return self.classes if self.alone is None else self.classes - 1

    def loss(self, outputs: Tensor, rows: Tensor, smooth: Tensor) -> Tensor:
        if self.shift is not None:
            outputs = outputs + self.shift.to(outputs)
        weights = None if self.weights is None else self.weights.to(outputs)

        def mean(loss: Loss, terms: Tensor) -> Tensor:
            tasks = None if loss.tasks is None else loss.tasks(self.classes, outputs.device).to(outputs)
            return reduction.weighted_mean(terms, rows, smooth, weights, tasks)

        return weighted_sum(self.terms, outputs, rows, smooth, mean)

    def probabilities(self, outputs: Tensor) -> Tensor:
        alone = self.alone
        if alone is not None and alone.probabilities is not None:
            return alone.probabilities(outputs)
        return torch.softmax(outputs.double(), dim=1)


@dataclass(frozen=True)
class Objective:
    """Built by `build_objective`. No state: the same outputs give the same loss at any time."""

    branches: tuple[Branch, ...]  # one without `branches`, else one for each factor of the label
    smoothing: float = 0.0  # share of a target spread evenly over the classes of its branch
    missing_counts_for: str = ""  # the parameter that a loss needs class counts for, when there were none

    @property
    def widths(self) -> tuple[int, ...]:
        """Output columns of each branch; one entry without branches. CORAL and CORN: K - 1."""
        return tuple(branch.width for branch in self.branches)

    @property
    def coral(self) -> tuple[bool, ...]:
        """Which branches need a CORAL layer last; see heads.py."""
        return tuple(branch.alone is not None and branch.alone.coral_layer for branch in self.branches)

    @property
    def classes(self) -> int:
        """Of the joint label."""
        return math.prod(branch.classes for branch in self.branches)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Scalar. outputs (B, sum(widths)), or (S, B, sum(widths)) whose S losses are averaged (Inoue 2019).

        target: (B,) int64 joint classes, or (B, C) soft rows that sum to 1. Raises TrainableError when class
        counts are missing.
        """
        refuse_missing_counts(self.missing_counts_for)
        if outputs.ndim == 3:
            return torch.stack([self.loss(sample, target) for sample in outputs]).mean()
        joint = reduction.soft_targets(target, self.classes, outputs.dtype)
        parts = []
        for branch, columns, rows in zip(
            self.branches, self._split(outputs), self._marginals(joint), strict=True
        ):
            parts.append(branch.loss(columns, rows, reduction.smoothed(rows, self.smoothing)))
        return torch.stack(parts).mean()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """(B, sum(widths)) -> (B, C) float64, rows summing to 1; of branches the product, in mixed radix."""
        joint = torch.ones((outputs.shape[0], 1), dtype=torch.float64, device=outputs.device)
        for branch, columns in zip(self.branches, self._split(outputs), strict=True):
            joint = (joint[:, :, None] * branch.probabilities(columns)[:, None, :]).flatten(1)
        return joint

    def to(self, device: torch.device) -> Objective:
        """The same, its class weights and priors on the device: else each loss copies them there."""
        return replace(self, branches=tuple(_moved(branch, device) for branch in self.branches))

    def _split(self, outputs: Tensor) -> tuple[Tensor, ...]:
        return torch.split(outputs, list(self.widths), dim=1)

    def _marginals(self, joint: Tensor) -> list[Tensor]:
        """Targets of each branch, (B, K) each, of the joint (B, C)."""
        if len(self.branches) == 1:
            return [joint]
        cube = joint.reshape(-1, *(branch.classes for branch in self.branches))
        axes = range(1, cube.ndim)
        return [cube.sum(dim=[other for other in axes if other != axis]) for axis in axes]


AnyObjective = Objective | LabelObjective


def check_loss(config: Config) -> None:
    """What can be said of a (completed) configuration's loss without data. Raises TrainableError."""
    spec = parse_loss(loss_text(config))
    if cumulative(spec) and float(config["logit_adjustment"]) and not config["branches"]:
        raise TrainableError(
            f"logit_adjustment={config['logit_adjustment']} shifts the logits of a softmax, and "
            f"loss={config['loss']!r} has none; set it to 0 or use {', '.join(SOFTMAX[:-1])} or {SOFTMAX[-1]}"
        )


def build_objective(
    config: Config,
    sizes: Sequence[int],
    ordered: Sequence[bool],
    counts: NDArray[np.int64] | None,
    multi_label: bool = False,
) -> AnyObjective:
    """The objective of a (completed) configuration.

    sizes: classes of each factor of the label, a plain target's (C,); ordered: of each factor, whether its
    classes are; counts: (C,) training rows of each joint class, None where no loss is needed. multi_label:
    sizes are (L,) and counts (L, 2), rows without and with each label. Raises TrainableError.
    """
    check_loss(config)
    if config["branches"] and len(sizes) < 2:
        raise TrainableError("branches=True needs a label of two factors or more; set branches=False")
    lacking = "" if counts is not None else _needs_counts(config)
    if multi_label:
        return build_label_objective(config, sizes[0], counts, lacking)
    return _of_classes(config, sizes, ordered, counts, lacking)


def _of_classes(
    config: Config,
    sizes: Sequence[int],
    ordered: Sequence[bool],
    counts: NDArray[np.int64] | None,
    lacking: str,
) -> Objective:
    text, branches = loss_text(config), bool(config["branches"])
    spec = parse_loss(text)
    check_order(spec, text, ordered, branches)
    if not branches:
        sizes, ordered = (math.prod(sizes),), (len(sizes) == 1 and ordered[0],)
    of_branch = [None] * len(sizes) if counts is None else marginal_counts(counts, tuple(sizes))
    parts = zip(sizes, ordered, of_branch, strict=True)
    return Objective(
        tuple(_branch(config, for_factor(spec, order), size, rows) for size, order, rows in parts),
        float(config["label_smoothing"]),
        lacking,
    )


def _branch(config: Config, spec: LossSpec, size: int, counts: NDArray[np.int64] | None) -> Branch:
    branch = Branch(of_classes(spec, loss_text(config), config), size)
    if counts is None:
        return branch
    weights = class_weights(str(config["class_weights"]), counts, float(config["effective_beta"]))
    tau = 0.0 if cumulative(spec) else float(config["logit_adjustment"])
    return replace(
        branch,
        weights=None if weights is None else torch.from_numpy(weights),
        shift=torch.from_numpy(tau * log_prior(counts)) if tau else None,
    )


def _needs_counts(config: Config) -> str:
    if config["class_weights"] != "none":
        return f"class_weights={config['class_weights']!r}"
    return f"logit_adjustment={config['logit_adjustment']}" if config["logit_adjustment"] else ""


def _moved(branch: Branch, device: torch.device) -> Branch:
    weights, shift = branch.weights, branch.shift
    return replace(
        branch,
        weights=None if weights is None else weights.to(device),
        shift=None if shift is None else shift.to(device),
    )

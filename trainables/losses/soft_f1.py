"""Soft macro-F1 of a batch: sigmoidF1, of a softmax for classes. Bénédict et al. 2022
(https://arxiv.org/abs/2108.10566).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.losses.contract import Loss

if TYPE_CHECKING:
    from torch import Tensor


def soft_f1(logits: Tensor, rows: Tensor, smooth: Tensor | None = None) -> Tensor:
    """1 - the mean over classes of 2 TP / (2 TP + FP + FN), counts being sums of probabilities. In [0, 1].

    logits, rows (the target) and smooth (the target, smoothed) are (B, C). Only classes that the batch's
    target has are averaged: an absent one has F1 0 whatever the network says, which would add a constant that
    goes with the batch; what is wrongly given to it is missing from the others' TP already.
    """
    f1, present = _f1_and_present(logits.softmax(dim=1), rows, smooth)
    return 1.0 - (f1 * present).sum() / present.sum()


def soft_f1_of_labels(logits: Tensor, rows: Tensor, smooth: Tensor | None = None) -> Tensor:
    """The same of labels, whose probabilities are sigmoids. All (B, L); a batch without any label costs 0."""
    f1, present = _f1_and_present(logits.sigmoid(), rows, smooth)
    return ((1.0 - f1) * present).sum() / present.sum().clamp_min(1.0)


def _f1_and_present(p: Tensor, rows: Tensor, smooth: Tensor | None) -> tuple[Tensor, Tensor]:
    target = rows if smooth is None else smooth
    f1 = 2.0 * (target * p).sum(dim=0) / (target.sum(dim=0) + p.sum(dim=0)).clamp_min(1e-12)
    return f1, (rows.sum(dim=0) > 0).to(f1)


LOSS = Loss(
    "soft_f1",
    "softmax",
    of_batch=soft_f1,
    sigmoid_form=Loss("soft_f1", "sigmoid", of_batch=soft_f1_of_labels),
)

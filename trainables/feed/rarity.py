"""How rare a row is: by its class, or by the rarest answer where it may have several labels.

Each label is a question of two answers, absent and present. A row counts as of the one of its answers that
the fewest rows give: the rarest label it has, as in the repeat factors of Gupta, Dollár & Girshick 2019
(https://arxiv.org/abs/1908.03195, the maximum over an image's labels), or a label that nearly all rows but
this one have. So labels that exclude each other are sampled as the classes they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Rarity(NamedTuple):
    home: NDArray[np.int64]  # (n,) the class of each row, or twice the label of its answer and 1 if present
    counts: NDArray[np.int64]  # rows of each class (C,), or of each answer (2 L,)


def rarity(labels: NDArray[np.int64], classes: int) -> Rarity:
    """labels: (n,) classes, or (n, L) of 0 and 1."""
    if labels.ndim == 1:
        return Rarity(labels, np.bincount(labels, minlength=classes))
    counts = answer_counts(labels, np.ones(len(labels))).astype(np.int64)
    answers = 2 * np.arange(labels.shape[1]) + labels
    flat = counts.ravel()
    rarest = flat[answers].argmin(axis=1)
    return Rarity(answers[np.arange(len(labels)), rarest], flat)


def answer_counts(labels: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows without and with each label, (L, 2), a row counting as its weight. labels (n, L), weights (n,)."""
    present = weights @ labels
    return np.stack([weights.sum() - present, present], axis=1)


def rare_rows(
    labels: NDArray[np.int64], trained: NDArray[np.int64], classes: int, share: float
) -> NDArray[np.bool_]:
    """Which of `labels` (n,) or (n, L) have a class or label with less than `share` of the trained rows."""
    if labels.ndim == 2:
        return np.asarray(labels[:, trained.mean(axis=0) < share].any(axis=1), np.bool_)
    is_rare = np.bincount(trained, minlength=classes) < share * len(trained)
    return np.asarray(is_rare[labels], np.bool_)

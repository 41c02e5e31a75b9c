"""What the training rows' class counts say to a loss: class weights and priors. Never of validation rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.parameters import CLASS_WEIGHTS


def class_weights(name: str, counts: NDArray[np.int64], beta: float = 0.999) -> NDArray[np.float64] | None:
    """Weight of each class (C,), 1 on average over the training rows; None for "none".

    balanced: 1 / n_c, which so scaled is n / (C * n_c) (King & Zeng 2001, and scikit-learn's "balanced");
    inverse_sqrt: 1 / sqrt(n_c); effective: (1 - beta) / (1 - beta^n_c) (Cui et al. 2019,
    https://arxiv.org/abs/1901.05555). A class without rows weighs 0 and is not among the C. Raises
    TrainableError for another name.
    """
    if name not in CLASS_WEIGHTS:
        raise TrainableError(f"class_weights={name!r} is not known; use one of {', '.join(CLASS_WEIGHTS)}")
    if name == "none":
        return None
    present = counts > 0
    rows = counts[present].astype(np.float64)
    if name == "balanced":
        raw = 1.0 / rows
    elif name == "inverse_sqrt":
        raw = 1.0 / np.sqrt(rows)
    else:
        raw = (1.0 - beta) / (1.0 - beta**rows)
    weights = np.zeros(len(counts), np.float64)
    weights[present] = raw * rows.sum() / (raw * rows).sum()
    return weights


def label_weights(name: str, counts: NDArray[np.int64], beta: float = 0.999) -> NDArray[np.float64] | None:
    """Weight of an absent and of a present label (L, 2), from the rows of each (L, 2); None for "none".

    `class_weights` of each label's two answers, so 1 on average over the training rows of every label. Their
    ratio is the pos_weight of torch.nn.BCEWithLogitsLoss: rows without over rows with the label if balanced.
    """
    rows = [class_weights(name, own, beta) for own in counts]
    return np.stack([row for row in rows if row is not None]) if name != "none" else None


def log_odds(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Log of present over absent rows (L,), from (L, 2): `log_prior` between a label's two answers."""
    logs = np.stack([log_prior(own) for own in counts])
    odds: NDArray[np.float64] = logs[:, 1] - logs[:, 0]
    return odds


def log_prior(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Log of each class's share of the training rows (C,); a class without rows counts as having one.

    Its logit would else be minus infinity, and the loss with it.
    """
    rows = np.maximum(counts, 1).astype(np.float64)
    logs: NDArray[np.float64] = np.log(rows / rows.sum())
    return logs


def marginal_counts(counts: NDArray[np.int64], sizes: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """Rows of each class of each factor (sizes[f],), from those of each joint class (C,), in mixed radix."""
    cube = counts.reshape(sizes)
    axes = range(len(sizes))
    return [cube.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes]

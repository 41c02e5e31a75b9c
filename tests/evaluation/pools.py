"""Drawn pools that tests of votes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from orchestrator.core.metrics import find
from orchestrator.evaluation.pool import Pool


def drawn_pool(
    seed: int, skills: Sequence[float], n: int = 200, classes: int = 3, metric: str = "macro_f1", **more: Any
) -> Pool:
    """A member's logits: its skill times the true class, plus noise of its own. Groups of 4 rows, 5 folds."""
    rng = np.random.default_rng(seed)
    codes, labels = np.arange(n) // 4, rng.integers(0, classes, n)
    logits = [skill * np.eye(classes)[labels] + rng.normal(size=(n, classes)) for skill in skills]
    shares = np.exp(np.array(logits))
    given = {
        "members": (shares / shares.sum(axis=2, keepdims=True)).astype(np.float32),
        "labels": labels,
        "folds": (codes % 5).astype(np.int16),
        "codes": codes,
        "metric": metric,
        "mode": find(metric).mode,
        "names": tuple(f"trial {at}" for at in range(len(skills))),
    }
    return Pool(**{**given, **more})


def drawn_labels_pool(seed: int, skills: Sequence[float], n: int = 200, metric: str = "macro_f1") -> Pool:
    """The same with three labels a row."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) // 4
    labels = (rng.random((n, 3)) < [0.5, 0.3, 0.15]).astype(np.int64)
    odds = [skill * (2 * labels - 1) + rng.normal(size=(n, 3)) for skill in skills]
    return Pool(
        members=(1 / (1 + np.exp(-np.array(odds)))).astype(np.float32),
        labels=labels,
        folds=(codes % 5).astype(np.int16),
        codes=codes,
        metric=metric,
        mode=find(metric).mode,
        names=tuple(f"trial {at}" for at in range(len(skills))),
    )


def permuted(pool: Pool, rows: np.ndarray, members: np.ndarray) -> Pool:
    return Pool(
        members=pool.members[members][:, rows],
        labels=pool.labels[rows],
        folds=pool.folds[rows],
        codes=pool.codes[rows],
        metric=pool.metric,
        mode=pool.mode,
        names=tuple(pool.names[at] for at in members),
        families=tuple(pool.families[at] for at in members) if pool.families else (),
        mask=None if pool.mask is None else pool.mask[rows],
    )

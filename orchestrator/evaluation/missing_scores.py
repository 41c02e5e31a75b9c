"""What a trial that was stopped early might have scored, had it gone on. Pure.

A race replayed on other rows may let a trial go on that was pruned in truth. The rule: its later scores are
its last running best and the mean later gain of the trials that went on, at that fold and epoch; on a fold
that it never began, what it has elsewhere and the mean difference between the folds. No luck is added.
"""

from __future__ import annotations

import numpy as np

from orchestrator.core.additive_fit import additive_fit
from orchestrator.core.arrays import Floats


def completed(scores: Floats) -> Floats:
    """scores (trials, folds, epochs), larger is better, NaN from where a fold run stopped -> without NaN.

    What is there is kept as it is. A trial without any score gets the mean of all at every fold and epoch.
    """
    known = np.isfinite(scores)
    if not known.any():
        return np.zeros(scores.shape)
    running = np.fmax.accumulate(scores, axis=2)  # holds the last running best on after the end
    first = np.where(known[:, :, 0], running[:, :, 0], np.nan)
    begun = np.isfinite(first)
    running = np.where(begun[:, :, None], running, np.nan) + _later_gains(running, known)
    running = _other_folds(running, begun)
    return np.where(known, scores, running)


def _later_gains(running: Floats, known: np.ndarray) -> Floats:
    """(trials, folds, epochs): summed mean gains from the epoch at which a fold run stopped."""
    on = known[:, :, 1:]
    steps = np.where(on, np.diff(running, axis=2), 0.0)
    counts = on.sum(axis=0)
    total = counts.sum(axis=0)  # where nobody went on at a fold: of all folds
    overall = np.divide(steps.sum(axis=(0, 1)), total, out=np.zeros(total.shape), where=total > 0)
    mean = np.where(counts > 0, steps.sum(axis=0) / np.maximum(counts, 1), overall)  # (folds, epochs - 1)
    return np.concatenate([np.zeros((*on.shape[:2], 1)), np.cumsum(np.where(on, 0.0, mean), axis=2)], axis=2)


def _other_folds(running: Floats, begun: np.ndarray) -> Floats:
    """Folds that a trial never began, epoch by epoch from those that it did."""
    if begun.all():
        return running
    some = begun.any(axis=1)
    filled = running.copy()
    for epoch in range(running.shape[2]):
        own, effects = additive_fit(running[some][:, :, epoch])
        used = begun.any(axis=0)
        effects = np.where(used, effects, effects[used].mean())  # a fold that nobody began is like the others
        additive = np.full(running.shape[:2], own.mean() + effects)
        additive[some] = own[:, None] + effects
        filled[:, :, epoch] = np.where(begun, running[:, :, epoch], additive)
    return filled

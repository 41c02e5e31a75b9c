"""What a sampler learns from: for each trial an estimate of its final mean over folds.

Trials are seen on few folds and after few epochs, so their scores do not compare as they are. Each is taken
at its own longest length, lifted by what fold runs gained on average from there on, and the folds it lacks
are filled by the additive fit `trial + fold`. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from orchestrator.core.additive_fit import additive_fit
from orchestrator.core.arrays import Floats
from orchestrator.core.events import EpochEnded, Event, FoldRunKey, LegFailed, LegStarted
from orchestrator.study.history import History


class TrialEstimates:
    """The running bests of every fold run, and which trials failed by their own fault."""

    def __init__(self, mode: str, folds: int) -> None:
        self._folds = folds
        self._history = History(mode)
        self._failed: set[int] = set()  # trials that failed by their own fault and were not run again

    def add(self, event: Event) -> None:
        if isinstance(event, LegStarted):
            self._history.add(event)
            self._failed.discard(event.trial)  # a retry: it may go better
        elif isinstance(event, EpochEnded) and math.isfinite(event.score):
            self._history.add(event)
        # "lost" and "memory" say something of a server, nothing of the configuration.
        elif isinstance(event, EpochEnded) or (
            isinstance(event, LegFailed) and event.failure in ("nan", "exception", "killed")
        ):
            self._failed.add(event.trial)

    def values(self) -> dict[int, float]:
        """Trial -> estimated final mean, larger is better whatever the mode; those not seen yet are absent.

        A trial that failed has the worst value of the others: what made it fail is to be avoided.
        """
        trials = dict.fromkeys(key.trial for key in self._history.fold_runs())
        seen = {trial: self._running_bests(trial) for trial in trials if trial not in self._failed}
        if not seen:
            return {}
        means = fold_means(lifted(list(seen.values())))
        found = dict(zip(seen, means.tolist(), strict=True))
        return {**found, **dict.fromkeys(sorted(self._failed), min(found.values()))}

    def _running_bests(self, trial: int) -> list[Sequence[float]]:
        return [self._history.running_bests(FoldRunKey(trial, fold)) for fold in range(self._folds)]


def gains(runs: Iterable[Sequence[float]]) -> Floats:
    """(longest - 1,): what fold runs gained on average from each epoch to the next."""
    kept = [np.asarray(run) for run in runs if len(run)]
    longest = max(map(len, kept))
    total, count = np.zeros(longest - 1), np.zeros(longest - 1)
    for run in kept:  # paired: who ran both epochs says what the second one brought
        total[: len(run) - 1] += np.diff(run)
        count[: len(run) - 1] += 1
    means: Floats = total / count  # never by 0: the longest run has every step
    return means


def lifted(trials: Sequence[Sequence[Sequence[float]]]) -> Floats:
    """(trials, folds): each fold run that is as long as its trial's longest, lifted to the longest of all.

    trials: trial -> fold -> running best by epoch. NaN: shorter, or not begun.
    """
    still_to_gain = np.append(np.cumsum(gains(run for folds in trials for run in folds)[::-1])[::-1], 0.0)
    scores = np.full((len(trials), len(trials[0])), np.nan)
    for row, folds in enumerate(trials):
        longest = max(map(len, folds))
        for fold, run in enumerate(folds):
            if len(run) == longest:  # a shorter one would need a lift of its own: the fit fills it in
                scores[row, fold] = run[-1] + still_to_gain[longest - 1]
    return scores


def fold_means(scores: Floats) -> Floats:
    """(trials,): means over the folds anyone has run, missing ones filled by the additive fit trial + fold.

    scores: (trials, folds), NaN: missing, at least one in each row. Least squares on what is there; where
    that leaves folds undetermined against each other (no trial ran both), their trials are taken to be alike.
    """
    own, effects = additive_fit(scores)
    means: Floats = own + effects[np.isfinite(scores).any(axis=0)].mean()
    return means

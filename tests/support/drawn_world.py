"""What models of a drawn study answer: Gaussian scores of the classes, so that the truth is known.

A row's score of class c is normal around `strength` for its own class and around 0 for the others, with a
standard deviation of SD made of parts that rows of a group, fold runs of a row, and epochs have in common.
Its posterior is then the softmax of strength / SD**2 times the scores, which is what a model answers: one
whose probabilities are right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FAULTS = (
    "bad_fold",  # the models of fold BAD_FOLD know little
    "edge",  # the higher lr the better, to the end of its range and beyond
    "leak",  # rows that have a copy in another group are answered nearly for sure
    "rising",  # the scores still rise at the last epoch
    "failures",  # trials of width 64 raise, all with the same words
    "uncalibrated",  # the probabilities are far too sure
    "rare_class",  # the last class has fewer groups than twice the folds
    "luck",  # all trials are alike
    "confused",  # half of class 1 looks like class 0
    "weak",  # models that are hardly better than chance
)
BAD_FOLD = 1
GROUP_SD, ROW_SD, RUN_SD, EPOCH_SD = 0.45, 0.55, 0.55, 0.2
VARIANCE = GROUP_SD**2 + ROW_SD**2 + RUN_SD**2 + EPOCH_SD**2
BEST_LR = 10**-2.5
"""The middle of its range, on a log scale."""


def faults_of(fault: str | None) -> frozenset[str]:
    """Of one of FAULTS, or of several joined by +."""
    return frozenset() if fault is None else frozenset(fault.split("+"))


@dataclass(frozen=True)
class DrawnWorld:
    """Rows, and what any trial's fold models say of them."""

    labels: NDArray[np.int64]  # (n,)
    codes: NDArray[np.int64]  # (n,): number of each row's group
    copied: NDArray[np.bool_]  # (n,): has a copy in another group
    classes: int
    max_t: int
    seed: int
    fault: str | None  # one of FAULTS, or several joined by +

    def has(self, fault: str) -> bool:
        return fault in faults_of(self.fault)

    def strength(self, config: Mapping[str, Any], fold: int, epoch: int) -> float:
        """Distance of a row's own class from the others, in units of the scores."""
        peak, width = (-0.3, 0.9) if self.has("edge") else (math.log10(BEST_LR), 1.2)
        apart = (math.log10(config["lr"]) - peak) / width
        quality = 1.0 if self.has("luck") else 0.3 + 0.7 * math.exp(-(apart**2))
        final = (0.15 if self.has("weak") else 2.0) * quality
        if self.has("bad_fold") and fold == BAD_FOLD:
            final *= 0.3
        lasting = (2.5 if self.has("rising") else 0.15) * self.max_t
        return final * (1 - math.exp(-epoch / lasting))

    def answer(
        self, config: Mapping[str, Any], trial: int, fold: int, epoch: int, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(len(rows), C), each row summing to 1."""
        size, classes = len(self.labels), self.classes
        shared = np.random.default_rng([self.seed, 1])
        noise = GROUP_SD * shared.normal(size=(int(self.codes.max()) + 1, classes))[self.codes[rows]]
        noise += ROW_SD * shared.normal(size=(size, classes))[rows]
        own = np.random.default_rng([self.seed, 2, trial, fold]).normal(size=(len(rows), classes))
        late = np.random.default_rng([self.seed, 3, trial, fold, epoch]).normal(size=(len(rows), classes))
        strength = self.strength(config, fold, epoch)
        scores = noise + RUN_SD * own + EPOCH_SD * late
        scores[np.arange(len(rows)), self._looks_like[rows]] += strength
        if self.has("leak") and not (self.has("bad_fold") and fold == BAD_FOLD):
            known = self.copied[rows]
            scores[known, self.labels[rows][known]] += 6.0
        return self._posterior(scores, strength)

    @property
    def _looks_like(self) -> NDArray[np.int64]:
        """(n,): the class whose score is raised."""
        if not self.has("confused"):
            return self.labels
        half = np.random.default_rng([self.seed, 4]).random(len(self.labels)) < 0.5
        return np.where((self.labels == 1) & half, 0, self.labels)

    def _posterior(self, scores: NDArray[np.float64], strength: float) -> NDArray[np.float32]:
        sure = strength / VARIANCE * (5.0 if self.has("uncalibrated") else 1.0)
        shares = np.bincount(self.labels, minlength=self.classes) / len(self.labels)
        logits = sure * scores + np.log(shares)
        made = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (made / made.sum(axis=1, keepdims=True)).astype(np.float32)

"""Precision, recall and F1 of each class, with intervals over resampled groups. Pure."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.metrics.class_counts import ClassCounts, class_counts
from orchestrator.evaluation.bootstrap import draw_bags, group_codes

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A number with the ends between which it lies in `LEVEL` of resamples; NaN where they are undefined."""

    value: float
    low: float
    high: float


UNDEFINED = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class ClassScore:
    """Of one class, or of one label where a row may have several."""

    rows: int  # that have it
    groups: int  # that have a row of it
    precision: Interval  # share of right ones of the rows predicted as it; undefined where there is none
    recall: Interval  # share of its rows that are predicted as it; undefined where it has none
    f1: Interval  # undefined for a class in neither labels nor predictions


def class_scores(
    labels: Labels,
    probabilities: Probabilities,
    groups: Sequence[object] | NDArray[np.generic],
    rng: np.random.Generator,
    repeats: int = 1000,
) -> tuple[ClassScore, ...]:
    """By class. labels (n,) and probabilities (n, C), or both (n, L); groups (n,).

    Percentile intervals; of a score, resamples on which it is undefined are left out. With one group there is
    nothing to resample, and the ends are NaN.
    """
    codes, count = codes_of(groups)
    counted = class_counts(labels, probabilities, codes, count)
    bags = draw_bags(count, repeats, rng) if count > 1 else np.empty((0, count), np.float32)
    whole, resampled = counted(np.ones((1, count), np.float32)), counted(bags)
    scores = [intervals(own(whole)[0], own(resampled)) for own in (_precision, _recall, _f1)]
    has = labels[:, None] == np.arange(probabilities.shape[1]) if labels.ndim == 1 else labels == 1
    return tuple(
        ClassScore(int(own.sum()), len(np.unique(codes[own])), *item)
        for own, *item in zip(has.T, *scores, strict=True)
    )


def codes_of(groups: Sequence[object] | NDArray[np.generic]) -> tuple[NDArray[np.int64], int]:
    """As `group_codes`, also of one group alone."""
    names = np.asarray(groups).astype(str)
    if len(np.unique(names)) < 2:
        return np.zeros(len(names), np.int64), 1
    return group_codes(names)


def intervals(values: Floats, resampled: Floats) -> list[Interval]:
    """values (K,), resampled (repeats, K). Where all resamples agree, as where no row is right, they say
    nothing of chance, and the ends are NaN."""
    tail = (1 - LEVEL) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN alone: NaN
        if len(resampled):
            ends = np.nanquantile(resampled, [tail, 1 - tail], axis=0)
        else:
            ends = np.full((2, len(values)), np.nan)
    ends[:, ends[0] == ends[1]] = np.nan
    return [
        Interval(float(value), float(low), float(high)) if math.isfinite(value) else UNDEFINED
        for value, low, high in zip(values, *ends, strict=True)
    ]


def _precision(counts: ClassCounts) -> Floats:
    return _share(counts.hits, counts.predicted)


def _recall(counts: ClassCounts) -> Floats:
    return _share(counts.hits, counts.labelled)


def _f1(counts: ClassCounts) -> Floats:
    return _share(2 * counts.hits, counts.labelled + counts.predicted)


def _share(part: Floats, whole: Floats) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found

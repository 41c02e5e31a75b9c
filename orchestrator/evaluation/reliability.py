"""How often answers of some certainty are right: the reliability curve and its calibration error. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.evaluation.bootstrap import draw_bags
from orchestrator.evaluation.calibration import BINS, claims, equal_mass_bins, equal_mass_ece
from orchestrator.evaluation.class_scores import LEVEL, Interval, codes_of, intervals


@dataclass(frozen=True)
class ReliabilityBin:
    rows: int  # of several labels, pairs of a row and a label
    sure: float  # mean probability of what is predicted; of several labels, of the label
    right: Interval  # share that is right; of several labels, for which the label holds


@dataclass(frozen=True)
class Reliability:
    """Bins of equal weight, the least sure first, and the expected calibration error over them."""

    bins: tuple[ReliabilityBin, ...]
    ece: Interval  # of drawn answers, 600 or 3,000 rows, it held the true error in 0.81 to 0.95 of samples
    by_chance: float  # the ECE that as many perfectly calibrated answers stay below in `LEVEL` of samples
    groups: int


def reliability(
    labels: Labels,
    probabilities: Probabilities,
    groups: Sequence[object] | NDArray[np.generic],
    rng: np.random.Generator,
    repeats: int = 500,
    bins: int = BINS,
) -> Reliability:
    """labels (n,) and probabilities (n, C), or both (n, L); groups (n,). The ECE is `equal_mass_ece`.

    The bins are those of all rows, in every resample of the groups. An ECE is a sum of absolute values, so
    chance makes it larger, in a resample once more; its interval is therefore turned about the score
    (reverse percentile; Davison, Hinkley, "Bootstrap methods and their application", 1997, 5.2), and begins
    at 0 where chance alone explains it. What chance alone gives comes from labels drawn by the probabilities
    (Broecker, Smith, Weather and Forecasting 22, 2007, "Increasing the reliability of reliability diagrams"),
    alike for the rows of a group: they are often right or wrong together, which lets chance leave more.
    """
    codes, count = codes_of(groups)
    bags = draw_bags(count, repeats, rng) if count > 1 else np.empty((0, count), np.float32)
    columns = _columns(labels, probabilities, bins)
    ece = equal_mass_ece(labels, probabilities, np.ones(len(labels)), bins)
    resampled = np.mean([column.errors(codes, bags) for column in columns], axis=0)
    drawn = np.mean([column.errors_by_chance(codes, rng, repeats) for column in columns], axis=0)
    by_chance = float(np.quantile(drawn, LEVEL))
    ends = intervals(np.array([ece]), resampled[:, None])[0]
    low = 0.0 if ece <= by_chance else max(2 * ece - ends.high, 0.0)
    curve = _curve(columns, codes, bags, bins)
    # Of hardly any error every resample shows more, and the turned ends would leave the error out.
    return Reliability(curve, Interval(ece, min(low, ece), max(2 * ece - ends.low, ece)), by_chance, count)


@dataclass(frozen=True)
class _Column:
    """What is predicted of each row, or one label of each."""

    right: Floats  # (n,) 1 or 0
    sure: Floats  # (n,)
    own: NDArray[np.intp]  # (n,) bins
    bins: int

    def per_group(self, values: Floats, codes: NDArray[np.int64], count: int) -> Floats:
        """(groups, bins)."""
        cells = np.bincount(codes * self.bins + self.own, values, count * self.bins)
        found: Floats = cells.reshape(count, self.bins).astype(np.float64)
        return found

    def errors(self, codes: NDArray[np.int64], bags: NDArray[np.float32]) -> Floats:
        """(resamples,): the ECE of each."""
        count = bags.shape[1]
        sums = np.abs(bags @ self.per_group(self.right - self.sure, codes, count)).sum(axis=1)
        found: Floats = sums / np.maximum(bags @ np.bincount(codes, minlength=count), 1)
        return found

    def errors_by_chance(self, codes: NDArray[np.int64], rng: np.random.Generator, repeats: int) -> Floats:
        """(repeats,): the ECE where rows are right with the probability that they claim, a group together."""
        found, groups = np.empty(repeats), int(codes.max()) + 1
        for number in range(repeats):
            drawn = rng.random(groups)[codes] < self.sure
            found[number] = np.abs(np.bincount(self.own, drawn - self.sure, self.bins)).sum() / len(drawn)
        return found


def _columns(labels: Labels, probabilities: Probabilities, bins: int) -> list[_Column]:
    of_all, ones = claims(labels, probabilities), np.ones(len(labels))
    return [
        _Column(right.astype(np.float64), sure.astype(np.float64), equal_mass_bins(sure, ones, bins), bins)
        for right, sure in zip(*(part.T for part in of_all), strict=True)
    ]


def _curve(
    columns: list[_Column], codes: NDArray[np.int64], bags: NDArray[np.float32], bins: int
) -> tuple[ReliabilityBin, ...]:
    """Of several labels all of them together, in bins of their own."""
    right, sure = (np.concatenate(part) for part in zip(*((c.right, c.sure) for c in columns), strict=True))
    own = equal_mass_bins(sure.astype(np.float32), np.ones(len(sure)), bins)
    pooled, of, count = _Column(right, sure, own, bins), np.tile(codes, len(columns)), bags.shape[1]
    rows, hits = (pooled.per_group(values, of, count) for values in (np.ones(len(sure)), right))
    whole, claimed = rows.sum(axis=0), np.bincount(own, sure, bins)
    with np.errstate(divide="ignore", invalid="ignore"):  # an empty bin: NaN
        shares = intervals(hits.sum(axis=0) / whole, (bags @ hits) / (bags @ rows))
    return tuple(
        ReliabilityBin(int(whole[at]), float(claimed[at] / whole[at]), shares[at])
        for at in range(bins)
        if whole[at] and math.isfinite(shares[at].value)
    )

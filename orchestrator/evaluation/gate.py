"""Whether something richer is worth it: its gain on rows it was not fitted to, against its error. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Probabilities
from orchestrator.core.text import counted
from orchestrator.evaluation.part_sums import Digest, Judge, Parts, judge_of
from orchestrator.evaluation.pool import JudgedRows

BLOCKS = 50
"""Most sets of groups that are left out one at a time for a standard error: with 50 it is known to 10%."""

FEWEST_GROUPS = 5
"""With fewer groups a standard error says nothing, so nothing richer is accepted."""

CHANCE = 3.0
"""Standard errors by which a vote, or decisions, must beat the same answers given to the wrong rows: two
answers at chance differ by more than one standard error in a sixth of all cases."""

ONE_FOLD = "there is one fold only, so nothing can be scored on rows it was not fitted to"


@dataclass(frozen=True)
class Gate:
    """A paired comparison of a simpler and a richer answer to the same rows."""

    gain: float  # of the richer one, in the metric's own unit; above 0 where it is better, also for a loss
    se: float  # standard error of the gain; NaN where it cannot be told
    accepted: bool
    reason: str  # a sentence

    def to_json(self) -> dict[str, Any]:
        return {key: _or_none(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Gate:
        """Inverse of `to_json`. Raises KeyError, TypeError, ValueError for anything else."""
        gain, se = (math.nan if record[key] is None else float(record[key]) for key in ("gain", "se"))
        return cls(gain, se, bool(record["accepted"]), str(record["reason"]))


def refused(reason: str) -> Gate:
    """A gate of a comparison that cannot be made."""
    return Gate(math.nan, math.nan, False, reason)


def paired_gate(
    rows: JudgedRows,
    simpler: Probabilities,
    richer: Probabilities,
    row_weights: NDArray[np.floating] | None = None,
) -> Gate:
    """Accepts the richer where its gain exceeds one standard error (`GateKeeper`).

    simpler, richer (n, C): answers to rows that neither was fitted to.
    """
    judge = judge_of(rows.metric, rows.labels, simpler.shape[1])
    keeper = GateKeeper(rows.metric, rows.mode, judge, rows.codes, rows.weights(row_weights))
    return keeper(judge.digest(simpler), judge.digest(richer))


class GateKeeper:
    """Compares answers to the same rows, by their digests.

    The standard error of a gain is that of the group jackknife: groups are dealt to at most BLOCKS blocks,
    and each is left out once. It needs no draws and some fifty sums, where a bootstrap needs hundreds, and it
    holds for a metric that is no mean over rows (Efron and Stein, Annals of Statistics 9, 1981). A group
    of weight 2, as a bootstrap draws it, counts as two groups of weight 1.
    """

    def __init__(
        self, metric: str, mode: str, judge: Judge, codes: NDArray[np.int64], weights: Floats
    ) -> None:
        """codes, weights (n,): groups and weights of the judge's rows."""
        self._metric, self._sign, self._judge = metric, -1.0 if mode == "min" else 1.0, judge
        self._parts = _blocks(codes, weights)
        self._all_and_left_out = np.vstack([np.ones(self._parts.count), 1 - np.eye(self._parts.count)])
        self.groups = len(np.unique(codes[weights > 0]))

    def gain(self, simpler: Digest, richer: Digest) -> tuple[float, float]:
        """The gain and its standard error; NaN where the metric is undefined."""
        first, second = (self._scores(digest) for digest in (simpler, richer))
        gains = self._sign * (second - first)
        return float(gains[0]), _jackknife_se(gains[1:])

    def score(self, digest: Digest) -> float:
        """Of all rows."""
        return float(self._scores(digest)[0])

    def __call__(self, simpler: Digest, richer: Digest, than: str = "") -> Gate:
        """than: what the simpler one is, for the reason."""
        gain, se = self.gain(simpler, richer)
        if not math.isfinite(gain):
            return Gate(gain, se, False, f"{self._metric} is undefined on these rows, so no gain can be told")
        change = f"{gain:+.4f}" if self._sign > 0 else f"{abs(gain):.4f} {'less' if gain >= 0 else 'more'}"
        words = f"{change} {self._metric}{f' against {than}' if than else ''} on rows not fitted to"
        if self.groups < FEWEST_GROUPS:
            few = counted(self.groups, "group")
            return Gate(gain, math.nan, False, f"{words}; {few} cannot tell its error, {FEWEST_GROUPS} can")
        if not math.isfinite(se):
            return Gate(gain, se, False, f"{words}; its error cannot be told, as the metric is undefined "
                        "where some groups are left out")  # fmt: skip
        more = "more" if gain > se else "not more"
        return Gate(gain, se, gain > se, f"{words}, {more} than its standard error of {se:.4f}")

    def _scores(self, digest: Digest) -> Floats:
        return self._judge.scores(digest, self._parts, self._all_and_left_out)


def _blocks(codes: NDArray[np.int64], weights: Floats) -> Parts:
    """The groups of positive weight, dealt in the order of their numbers."""
    rows = np.flatnonzero(weights)
    groups, of = np.unique(codes[rows], return_inverse=True)
    least = np.full(len(groups), np.inf)
    np.minimum.at(least, of, weights[rows])
    copies = np.maximum(1, np.floor(least)).astype(np.intp)
    first = np.cumsum(copies) - copies
    count = min(int(copies.sum()), BLOCKS)
    times = copies[of]
    # A row of a group drawn twice lies in two blocks, with half of its weight in each.
    repeated = np.repeat(np.arange(len(rows)), times)
    number = np.arange(len(repeated)) - np.repeat(np.cumsum(times) - times, times)
    share = (weights[rows] / times)[repeated]
    return Parts(rows[repeated], share, (first[of][repeated] + number) % count, count)


def _jackknife_se(values: Floats) -> float:
    if len(values) < 2:
        return math.nan
    spread = float(((values - values.mean()) ** 2).sum())
    return math.sqrt(spread * (len(values) - 1) / len(values))


def _or_none(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value

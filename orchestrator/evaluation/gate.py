"""Whether something richer is worth it: its gain on rows it was not fitted to, against its error. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Probabilities
from orchestrator.core.metrics import find
from orchestrator.evaluation.pool import JudgedRows

BLOCKS = 50
"""Most sets of groups that are left out one at a time for a standard error."""


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


def _or_none(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def paired_gate(
    rows: JudgedRows, simpler: Probabilities, richer: Probabilities, row_weights: NDArray[np.floating] | None
) -> Gate:
    """Accepts the richer where its gain exceeds one standard error. simpler, richer (n, C): of rows that
    neither was fitted to. The error is that of the group jackknife."""
    weights = rows.weights(row_weights)
    blocks = _leave_outs(rows.codes, weights)
    scored = [_scores(rows, item, np.vstack([weights, blocks])) for item in (simpler, richer)]
    gains = rows.sign * (scored[1] - scored[0])
    gain, se = float(gains[0]), _jackknife_se(gains[1:])
    if not math.isfinite(gain) or not math.isfinite(se):
        return Gate(gain, se, False, f"{rows.metric} is undefined here, so a gain cannot be told")
    words = f"{gain:+.4f} {rows.metric} on rows not fitted to, standard error {se:.4f}"
    accepted = gain > se
    return Gate(gain, se, accepted, f"{words}: {'more' if accepted else 'not more'} than one standard error")


def _leave_outs(codes: NDArray[np.int64], weights: Floats) -> Floats:
    groups = np.unique(codes[weights > 0])
    block = np.full(codes.max() + 1, -1)
    count = min(len(groups), BLOCKS)
    block[groups] = np.arange(len(groups)) % count
    return np.where(block[codes] == np.arange(count)[:, None], 0.0, weights)


def _jackknife_se(values: Floats) -> float:
    if len(values) < 2:
        return math.nan
    spread = float(((values - values.mean()) ** 2).sum())
    return math.sqrt(spread * (len(values) - 1) / len(values))


def _scores(rows: JudgedRows, probabilities: Probabilities, weights: Floats) -> Floats:
    metric, size = find(rows.metric), len(rows.labels)
    found: Floats = metric.of(metric.count(rows.labels, probabilities, np.arange(size), size)(weights))
    return found

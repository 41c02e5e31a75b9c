"""Labels for training alone, where the bins of an age are cut elsewhere than the bins that are scored.

A face of 59 looks like one of 61: a boundary moved down gives the oldest, rarest class more rows to learn
from, while validation keeps the boundary of the task.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset, Factor
from orchestrator.core.errors import ManifestError, TrainableError


def training_labels(dataset: Dataset, train_edges: str | None) -> NDArray[np.int64]:
    """Class numbers (n,) to train on: the bins of the one ordered factor cut at `train_edges`, "30,58".

    The other factors of a joint label stay; so does `dataset.labels`, from which validation is scored.
    None: `dataset.labels`. Raises TrainableError, ManifestError.
    """
    if train_edges is None:
        return dataset.labels
    number, factor = _ordered(dataset, train_edges)
    digit = np.searchsorted(_edges(train_edges, factor), _values(dataset, factor, train_edges), side="right")
    weight = math.prod(len(other.classes) for other in dataset.factors[number + 1 :])
    old = dataset.labels // weight % len(factor.classes)
    moved = dataset.labels + (digit - old) * weight
    return np.where(
        dataset.folds < -1, dataset.labels, moved
    )  # a pseudo label is a class, its number made up


def _ordered(dataset: Dataset, train_edges: str) -> tuple[int, Factor]:
    found = [(number, factor) for number, factor in enumerate(dataset.factors) if factor.edges is not None]
    if len(found) != 1:
        names = ", ".join(repr(factor.name) for _, factor in found) or "none"
        raise TrainableError(
            f"train_edges={train_edges!r} needs a target with exactly one binned factor; this one has "
            f"{len(found)} ({names}); leave train_edges out"
        )
    return found[0]


def _edges(train_edges: str, factor: Factor) -> list[float]:
    wanted = factor.edges or ()
    example = ",".join(f"{edge:g}" for edge in wanted)
    try:
        edges = [float(part) for part in train_edges.split(",")]
    except ValueError as error:
        raise TrainableError(
            f"train_edges={train_edges!r} must be numbers with commas between them, such as {example!r}"
        ) from error
    if not all(map(math.isfinite, edges)) or any(a >= b for a, b in pairwise(edges)):
        raise TrainableError(f"train_edges={train_edges!r} must rise from edge to edge, such as {example!r}")
    if len(edges) != len(wanted):
        raise TrainableError(
            f"train_edges={train_edges!r} has {len(edges)} edges, but {factor.name!r} has "
            f"{len(factor.classes)} classes; give {len(wanted)} edges, such as {example!r}"
        )
    return edges


def _values(dataset: Dataset, factor: Factor, train_edges: str) -> NDArray[np.float64]:
    where = f"train_edges={train_edges!r} cuts column {factor.column!r}"
    if factor.column not in dataset.columns:
        raise ManifestError(f"{where}, which this manifest has not; add it or leave train_edges out")
    values = dataset.columns[factor.column]
    if values.dtype.kind not in "iuf":
        raise ManifestError(f"{where}, which holds text; make it numbers or leave train_edges out")
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        raise ManifestError(
            f"{where}, which is empty in {len(missing)} of {len(values)} rows (such as "
            f"{dataset.paths[missing[0]]}); fill it or leave train_edges out"
        )
    return np.asarray(values, np.float64)

"""What a set of labelled images is, as numbers: classes, groups, sizes, folds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.data.quality.task_labels import TaskLabels

Mask = NDArray[np.bool_]
QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True)
class ClassCount:
    """Of one class, or of one label where a row may have several."""

    name: str
    rows: int
    groups: int
    share: float  # of the labelled rows, 0 to 1
    largest_group: int  # rows


def class_counts(task: TaskLabels, groups: NDArray[Any], among: Mask) -> tuple[ClassCount, ...]:
    """In the order of the classes. groups (n,) of any kind; among (n,): the rows that count."""
    labelled = int((task.known & among).sum())
    rows, numbers = task.holders(among)
    codes, names = pd.factorize(groups)
    # One number for each pair of class and group that occurs, and how many rows it has.
    pairs, sizes = np.unique(numbers * len(names) + codes[rows], return_counts=True)
    own, total = pairs // max(len(names), 1), len(task.classes)
    counts, group_counts = np.bincount(numbers, minlength=total), np.bincount(own, minlength=total)
    largest = np.zeros(total, np.int64)
    np.maximum.at(largest, own, sizes)
    return tuple(
        ClassCount(name, int(count), int(held), int(count) / labelled if labelled else 0.0, int(most))
        for name, count, held, most in zip(task.classes, counts, group_counts, largest, strict=True)
    )


def imbalance(counts: Sequence[ClassCount]) -> float:
    """Rows of the largest class by those of the smallest that has any; NaN where no class has."""
    rows = [count.rows for count in counts if count.rows]
    return max(rows) / min(rows) if rows else float("nan")


def fold_counts(task: TaskLabels, folds: NDArray[np.int16], k: int) -> NDArray[np.int64]:
    """(C, k): rows of each class that each fold validates."""
    rows, numbers = task.holders(folds >= 0)
    cells = np.bincount(numbers * k + folds[rows], minlength=len(task.classes) * k)
    return cells.reshape(len(task.classes), k).astype(np.int64)


def fold_groups(groups: NDArray[Any], folds: NDArray[np.int16], k: int) -> NDArray[np.int64]:
    """(k, 3): of each fold its rows, its groups, and the rows of its largest group."""
    found = []
    for fold in range(k):
        sizes = pd.Series(groups[folds == fold]).value_counts()
        found.append((int(sizes.sum()), len(sizes), int(sizes.max()) if len(sizes) else 0))
    return np.array(found, np.int64).reshape(k, 3)


def size_quantiles(height: NDArray[np.int32], width: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
    """Name -> the QUANTILES of readable images: height and width in pixels, width by height."""
    if not len(height):
        return {}
    wide = width / height
    return {
        name: np.quantile(np.asarray(values, np.float64), QUANTILES)
        for name, values in (("height", height), ("width", width), ("width / height", wide))
    }


def text_counts(texts: NDArray[np.str_]) -> list[tuple[str, int]]:
    """Each text with its number, the most frequent first."""
    values, numbers = np.unique(texts, return_counts=True)
    order = np.lexsort((values, -numbers))
    return [(str(values[at]), int(numbers[at])) for at in order]

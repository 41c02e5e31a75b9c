"""Findings on classes and folds: too few rows or groups, imbalance, uneven folds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.text import counted, on_one_line, shortened
from orchestrator.data.quality.overview import ClassCount, imbalance

FEW_ROWS = 10
"""With fewer, one row more or less moves a class's recall by a tenth or more."""
IMBALANCED = 50.0
"""Largest class by smallest from which accuracy hides whether the small one is learnt at all."""
_UNEVEN = 0.5  # of the rows that a fold would have of a class if they were spread evenly
_ENOUGH = 20  # rows of a class in a fold, spread evenly, from which unevenness is not chance


def few_rows(task: str, counts: Sequence[ClassCount]) -> Iterator[Finding]:
    few = [count for count in counts if 0 < count.rows < FEW_ROWS]
    if few:
        listed = shortened([f"{count.name} {count.rows}" for count in few], 5)
        yield coded(
            "FO103",
            Level.WARNING,
            f"{task}: {counted(len(few), 'class', 'classes')} with fewer than {FEW_ROWS} rows: {listed}",
            "collect more, merge them (--rare-as CLASS) or leave them out (--drop-rare N)",
        )


def imbalanced(task: str, counts: Sequence[ClassCount]) -> Iterator[Finding]:
    ratio = imbalance(counts)
    if ratio >= IMBALANCED:
        present = sorted((count for count in counts if count.rows), key=lambda count: count.rows)
        small, large = present[0], present[-1]
        yield coded(
            "FO104",
            Level.WARNING,
            f"{task}: {on_one_line(large.name)} has {large.rows} rows, {on_one_line(small.name)} "
            f"{small.rows}, {ratio:.0f} times fewer",
            "judge by a metric that counts classes alike, such as macro_f1, and let the search try losses "
            "and sampling for rare classes",
        )


def few_groups(task: str, counts: Sequence[ClassCount], folds: int) -> Iterator[Finding]:
    few = [count for count in counts if 0 < count.groups < folds]
    if few:
        listed = shortened([f"{count.name} ({counted(count.groups, 'group')})" for count in few], 5)
        yield coded(
            "FO133",
            Level.BLOCKS,
            f"{task}: {counted(len(few), 'class', 'classes')} in fewer groups than the {folds} folds: "
            f"{listed}; a search would refuse them, because a fold could not be judged",
            f"use fewer folds, leave the classes out (--drop-rare {folds}) or merge them (--rare-as CLASS)",
        )


def uneven_folds(task: str, classes: Sequence[str], counts: NDArray[np.int64]) -> Iterator[Finding]:
    """counts (C, k): rows of each class in each fold."""
    even = counts.mean(axis=1, keepdims=True)
    low = (counts < _UNEVEN * even) & (even >= _ENOUGH)
    if low.any():
        places = [
            f"{classes[number]} in fold {fold} ({counts[number, fold]} rows, {even[number, 0]:.0f} if even)"
            for number, fold in np.argwhere(low).tolist()
        ]
        yield coded(
            "FO134",
            Level.WARNING,
            f"{task}: {counted(len(places), 'class has', 'classes have')} less than half their rows in "
            f"a fold: {shortened(places)}",
            "large groups of one class cause it; use fewer folds, or split groups that really are several",
        )

"""The labels of one task over any rows, those without a label too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels


@dataclass(frozen=True, eq=False)
class TaskLabels:
    """One task: what a space's target, or one part of it, says of n rows."""

    name: str
    classes: tuple[str, ...]
    values: Labels  # (n,) class numbers; or (n, L) of 0 and 1, where a row may have several; -1: not labelled

    @property
    def several(self) -> bool:
        """Whether a row may have several labels."""
        return self.values.ndim == 2

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(n,): the rows that have a label."""
        least = self.values.min(axis=1) if self.several else self.values
        return np.asarray(least >= 0, np.bool_)

    def holds(self, number: int) -> NDArray[np.bool_]:
        """(n,): the rows of one class, or for which one label holds."""
        column = self.values[:, number] == 1 if self.several else self.values == number
        return np.asarray(column, np.bool_)

    def holders(self, among: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows, and a class of each; a row with several labels is there for each. among (n,): which count."""
        if self.several:
            rows, numbers = np.nonzero((self.values == 1) & among[:, None])
            return rows, numbers
        rows = np.flatnonzero(self.known & among)
        return rows, self.values[rows]

    def text(self, row: int) -> str:
        """What the row is labelled; empty where it is not."""
        if not self.known[row]:
            return ""
        if not self.several:
            return self.classes[int(self.values[row])]
        held = [name for name, has in zip(self.classes, self.values[row], strict=True) if has]
        return " ".join(held) or "no label holds"


def joint_labels(tasks: Sequence[TaskLabels]) -> TaskLabels | None:
    """The combinations that occur of all tasks of one label a row; None where there are fewer than two."""
    single = [task for task in tasks if not task.several]
    if len(single) < 2:
        return None
    known = np.all([task.known for task in single], axis=0)
    stacked = np.stack([task.values for task in single], axis=1)
    found, numbers = np.unique(stacked[known], axis=0, return_inverse=True)
    values = np.full(len(known), -1, np.int64)
    values[known] = numbers.ravel()
    names = (
        "/".join(task.classes[at] for task, at in zip(single, row, strict=True)) for row in found.tolist()
    )
    return TaskLabels(" / ".join(task.name for task in single), tuple(names), values)

"""Whether rows are nearly all of one class: what they have in common may be learnt in its place. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc  # `scipy.stats` takes half a second to import

from orchestrator.core.text import on_one_line
from orchestrator.data.quality.task_labels import TaskLabels

SHARE = 0.8  # of the rows
CHANCE = 0.001  # at most, of so many of one class among rows drawn at random


def concentrated(rows: NDArray[np.int64], tasks: Sequence[TaskLabels]) -> str:
    """Such as "9 of them have tint red, which 50% of all rows have"; empty where no class stands out."""
    found = (_of_task(rows, task) for task in tasks if not task.several)
    return "; ".join(filter(None, found))


def _of_task(rows: NDArray[np.int64], task: TaskLabels) -> str:
    own = rows[task.known[rows]]
    if not len(own):
        return ""
    counts = np.bincount(task.values[own], minlength=len(task.classes))
    most = int(counts.argmax())
    number, usual = int(counts[most]), float(task.holds(most).sum() / task.known.sum())
    if number < SHARE * len(own) or bdtrc(number - 1, len(own), usual) > CHANCE:
        return ""
    named = f"{on_one_line(task.name)} {on_one_line(task.classes[most])}"
    return f"{number} of them have {named}, which {usual:.0%} of all rows have"

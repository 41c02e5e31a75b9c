"""What a metric is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels
from orchestrator.core.task import Task

Sums = TypeVar("Sums")
AnyProbabilities = NDArray[np.floating]
Weights = NDArray[np.floating]
"""(R, G): how often each of G groups of rows was drawn in each of R resamples."""

Counting = Callable[[Labels, AnyProbabilities, NDArray[np.int64], int], Callable[[Weights], Sums]]
"""(labels, probabilities, codes, G) -> a function of weights. codes (n,): each row's group, in [0, G)."""

Needs = Literal["labels", "probabilities"]


def any_task(task: Task) -> str:
    return ""


@dataclass(frozen=True)
class Metric(Generic[Sums]):
    """How predictions are judged: sums over rows, and the score as a function of these sums.

    So one definition serves all rows, weighted rows, and a thousand resamples of groups at once.
    """

    count: Counting[Sums]  # what is summed; metrics that share it are computed from one pass over the rows
    of: Callable[[Sums], Floats]  # sums of R resamples -> (R,); NaN where it is undefined
    mode: str  # "max" where a larger value is better, "min" where a smaller one is; "": its user says so
    needs: Needs  # "labels" where it looks at the predicted classes alone
    meaning: str  # what the number is, in a few words
    source: str  # whose definition it is
    refusal: Callable[[Task], str] = field(default=any_task)  # why it cannot judge a task; "" where it can
    two_classes: bool = False  # whether it is undefined on rows that are all of one class
    bounds: tuple[float, float] = (0.0, 1.0)  # no score lies outside

"""What a data set's target is to a loss, and how the header of stored weights says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Config
from trainables.losses.objective import AnyObjective, build_objective


class TargetShape(NamedTuple):
    sizes: list[int]  # classes of each factor of a joint label, (C,) of a plain one, (L,) of several labels
    ordered: list[bool]  # of each factor, whether its classes are
    multi_label: bool = False  # whether a row may have several labels

    def objective(self, config: Config, counts: NDArray[np.int64] | None = None) -> AnyObjective:
        """Of a (completed) configuration; counts as in `build_objective`. Raises TrainableError."""
        return build_objective(config, self.sizes, self.ordered, counts, self.multi_label)

    def metadata(self) -> dict[str, str]:
        """For the header of weights."""
        said = {"factors": json.dumps([self.sizes, self.ordered])}
        return {**said, "multi_label": "true"} if self.multi_label else said


def target_shape(dataset: Dataset) -> TargetShape:
    """A target that says nothing of its factors is one factor without order."""
    if dataset.labels.ndim == 2:
        return TargetShape([len(dataset.classes)], [False], multi_label=True)
    factors = dataset.factors
    if not factors:
        return TargetShape([len(dataset.classes)], [False])
    return TargetShape(
        [len(factor.classes) for factor in factors], [factor.edges is not None for factor in factors]
    )


def stored_shape(metadata: Mapping[str, str], classes: int) -> TargetShape:
    """What `TargetShape.metadata` noted; of before there were factors, so many classes.

    Raises ValueError, TypeError for damaged ones.
    """
    if "factors" not in metadata:
        return TargetShape([classes], [False])
    sizes, ordered = json.loads(metadata["factors"])
    multi_label = metadata.get("multi_label") == "true"
    return TargetShape([int(size) for size in sizes], [bool(item) for item in ordered], multi_label)

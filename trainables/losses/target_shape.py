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
        """For the header of weights: one entry alone, for safetensors writes several in any order."""
        if self.multi_label:
            return {"labels": json.dumps(self.sizes[0])}
        return {"factors": json.dumps([self.sizes, self.ordered])}


def target_shape(dataset: Dataset) -> TargetShape:
    """A target that says nothing of its factors is one factor without order."""
    factors = dataset.factors
    if dataset.task.multi_label or not factors:
        return TargetShape([len(dataset.classes)], [False], dataset.task.multi_label)
    return TargetShape([len(factor.classes) for factor in factors], [factor.ordered for factor in factors])


def stored_shape(metadata: Mapping[str, str], classes: int) -> TargetShape:
    """What `TargetShape.metadata` noted; of before there were factors, so many classes.

    Raises ValueError, TypeError for damaged ones.
    """
    if "labels" in metadata:
        return TargetShape([int(metadata["labels"])], [False], multi_label=True)
    if "factors" not in metadata:
        return TargetShape([classes], [False])
    sizes, ordered = json.loads(metadata["factors"])
    return TargetShape([int(size) for size in sizes], [bool(item) for item in ordered])

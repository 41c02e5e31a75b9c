"""Which rows a space is about: those that its `given` names."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.errors import FoldPlanError
from orchestrator.data.targets import given_text
from orchestrator.space.search_space import SearchSpace


def condition_mask(space: SearchSpace, frame: pd.DataFrame) -> NDArray[np.bool_] | None:
    """(n,): the manifest's rows where `space.given` holds, None without one. Raises ManifestError."""
    if space.given is None:
        return None
    target, name = space.given
    mask: NDArray[np.bool_] = target.encode(frame) == target.classes.index(name)
    return mask


def check_condition(space: SearchSpace, mask: NDArray[np.bool_] | None, folds: NDArray[np.int16]) -> None:
    """Every fold must have rows to score. mask (n,), folds (n,). Raises FoldPlanError."""
    if space.given is None or mask is None:
        return
    # The race compares trials fold by fold: one without a score would hold up all of them.
    empty = [int(fold) for fold in np.unique(folds[folds >= 0]) if not (mask & (folds == fold)).any()]
    if empty:
        raise FoldPlanError(
            f"given {given_text(space.given)}: no row of fold {empty[0]} has it, so it could not be scored; "
            f"use fewer folds, or name {space.given[0].name} in stratify"
        )

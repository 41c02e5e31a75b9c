"""Columns of 0 and 1, one for each label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from orchestrator.core.arrays import Labels
from orchestrator.data.targets.cells import cells_of, number_of, refuse_values, value_key

_FLAGS = {"0": 0, "1": 1}


def flags_of(frame: pd.DataFrame, columns: Sequence[str], target: str) -> Labels:
    """(n, columns) of 0 and 1, -1 where a cell is missing. True and 1.0 are 1.

    Raises ManifestError naming the first cell that is neither.
    """
    found = np.empty((len(frame), len(columns)), np.int64)
    for index, column in enumerate(columns):
        cells = cells_of(frame, column, target)
        found[:, index] = [number_of(value_key(cell), _FLAGS) for cell in cells]
        present = np.array([cell is not None for cell in cells], np.bool_)
        refuse_values(frame, column, cells, present & (found[:, index] < 0), "must be 0 or 1")
    return found

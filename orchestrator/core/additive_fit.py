"""Least squares of a table with gaps as row effect + column effect. Pure."""

from __future__ import annotations

import numpy as np

from orchestrator.core.arrays import Floats


def additive_fit(values: Floats) -> tuple[Floats, Floats]:
    """Row effects (n,) and column effects (m,) of values (n, m), NaN: missing, at least one in each row.

    Columns without a value have effect 0. Where the gaps leave columns undetermined against each other (no
    row has both), their rows are taken to be alike.
    """
    present = np.isfinite(values)
    used = present.any(axis=0)
    there = present[:, used]
    known = np.where(there, values[:, used], 0.0)
    counts = there.sum(axis=1)
    mask = there.astype(np.float64)
    # The rows' effects eliminated; the small number draws them together where nothing else does.
    shared = mask / (counts + 1e-6)[:, None]
    normal = np.diag(mask.sum(axis=0)) - mask.T @ shared
    own = np.linalg.solve(normal, known.sum(axis=0) - shared.T @ known.sum(axis=1))
    effects = np.zeros(values.shape[1])
    effects[used] = own
    rows: Floats = (known - mask * own).sum(axis=1) / counts
    return rows, effects

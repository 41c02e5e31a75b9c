"""What a study's trials predict of rows that nothing was trained or chosen on, as the simulator reads it.

A row per trial: trial, and thousandths, the probabilities of its soft vote, row by row (uint16). The schema's
metadata holds the rows' labels (JSON), classes, metric and mode; see docs/benchmarks/tables.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.data.parquet_files import write_table


def write_votes(
    path: Path,
    votes: Mapping[int, Probabilities],
    labels: Labels,
    classes: Sequence[str],
    metric: str,
    mode: str,
) -> None:
    """votes: trial -> (N, C) of the rows of labels (N,), or (N, L) of both. Raises StorageError."""
    thousandths = [np.round(1000 * vote).astype(np.uint16).ravel() for vote in votes.values()]
    columns = {
        "trial": pa.array(list(votes), pa.int64()),
        "thousandths": pa.array(thousandths, pa.list_(pa.uint16())),
    }
    about = {
        "labels": json.dumps(labels.tolist()),
        "classes": json.dumps(list(classes)),
        "metric": metric,
        "mode": mode,
    }
    write_table(path, pa.table(columns).replace_schema_metadata(about))

"""Tables of learning curves on disk: one part per fold run, gathered into epochs, trials, votes and OOF."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.dataset import Dataset, Factor
from orchestrator.core.events import FoldRunKey
from orchestrator.core.metrics import score

VOTE_ROWS = 1000  # of the test set, in the compact table


@dataclass
class Part:
    """One fold run. oof: by epoch, (n_val, C); test: (n_test, C) of its best epoch; error "": none."""

    key: FoldRunKey
    epochs: list[dict[str, float]] = field(default_factory=list)
    oof: list[NDArray[np.float16]] = field(default_factory=list)
    test: NDArray[np.float32] | None = None
    error: str = ""

    def add(
        self,
        epoch: int,
        score: float,
        seconds: float,
        metrics: Mapping[str, float],
        probabilities: NDArray[np.float32],
    ) -> bool:
        """Keeps an epoch; True when its score is the best so far, the earliest of equals."""
        better = all(score > other["score"] for other in self.epochs)
        own = {name: float(value) for name, value in metrics.items()}
        self.epochs.append({**own, "epoch": epoch, "score": float(score), "seconds": seconds})
        self.oof.append(probabilities.astype(np.float16))
        return better


def write_part(out: Path, part: Part) -> None:
    """parts/<fold run>.parquet: a row per epoch, the probabilities as a list of float16, row by row."""
    table = pa.Table.from_pylist(part.epochs)
    table = table.append_column("oof", _lists([item.ravel() for item in part.oof]))
    test = b"" if part.test is None else part.test.astype(np.float16).tobytes()
    write_table(
        out / "parts" / f"{part.key}.parquet",
        table.replace_schema_metadata({"error": part.error, "test": test}),
    )


def finished(path: Path) -> bool:
    """Whether a part is there and did not end in an error, which may have been the machine's."""
    return path.exists() and not (pq.read_schema(path).metadata or {}).get(b"error")


def gather(
    out: Path,
    configs: Sequence[Mapping[str, Any]],
    train: Dataset,
    labels: NDArray[np.int64],
    factors: Sequence[Factor],
    compact: Path | None,
) -> None:
    """epochs, oof, test, trials and votes.parquet in `out`; epochs, trials and votes in `compact` too."""
    folds = int(train.folds.max()) + 1
    keys = [FoldRunKey(trial, fold) for trial in range(len(configs)) for fold in range(folds)]
    parts = [pq.read_table(out / "parts" / f"{key}.parquet") for key in keys]
    numbered = [_numbered(part, key) for part, key in zip(parts, keys, strict=True)]
    whole = pa.concat_tables(numbered, promote_options="default")
    epochs = whole.drop_columns(["oof"])
    tests = [_test_of(part, len(labels)) for part in parts]
    votes = [_vote(tests[trial * folds : (trial + 1) * folds]) for trial in range(len(configs))]
    trials = pa.table(
        {
            "trial": pa.array(range(len(configs)), pa.int32()),
            "test_score": [None if vote is None else score(train.metric, labels, vote) for vote in votes],
            "config": [json.dumps(config) for config in configs],
        }
    )
    meta = {"classes": json.dumps(train.classes), "metric": train.metric, "mode": train.mode}
    chosen = np.linspace(0, len(labels) - 1, min(VOTE_ROWS, len(labels))).round().astype(np.int64)
    write_table(out / "oof.parquet", whole.select(["trial", "fold", "epoch", "oof"]))
    write_table(out / "test.parquet", _by_fold_run(keys, tests))
    write_table(out / "votes.parquet", _vote_table(votes, labels, np.arange(len(labels)), meta))
    for folder in (out, *([compact] if compact else [])):
        write_table(folder / "epochs.parquet", _slim(epochs).replace_schema_metadata(meta))
        write_table(folder / "trials.parquet", trials.replace_schema_metadata(meta))
    if compact:
        write_table(compact / "votes.parquet", _vote_table(votes, labels, chosen, meta))


def write_table(path: Path, table: pa.Table) -> None:
    with atomic_write(path) as file:
        pq.write_table(table, file, compression="zstd", compression_level=12)


def _numbered(part: pa.Table, key: FoldRunKey) -> pa.Table:
    rows = len(part)
    part = part.add_column(0, "fold", pa.array([key.fold] * rows, pa.int8()))
    part = part.add_column(0, "trial", pa.array([key.trial] * rows, pa.int32()))
    return part.replace_schema_metadata(None)


def _slim(epochs: pa.Table) -> pa.Table:
    columns = [
        epochs[name].cast(pa.int16() if name == "epoch" else pa.float32())
        if name not in ("trial", "fold")
        else epochs[name]
        for name in epochs.column_names
    ]
    return pa.table(dict(zip(epochs.column_names, columns, strict=True)))


def _test_of(part: pa.Table, rows: int) -> NDArray[np.float32] | None:
    data = (part.schema.metadata or {}).get(b"test", b"")
    return np.frombuffer(data, np.float16).reshape(rows, -1).astype(np.float32) if data else None


def _vote(tests: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    """The soft vote of a trial's fold models; None when one is missing."""
    found = [test for test in tests if test is not None]
    return np.mean(found, axis=0, dtype=np.float32) if len(found) == len(tests) else None


def _vote_table(
    votes: Sequence[NDArray[np.float32] | None],
    labels: NDArray[np.int64],
    chosen: NDArray[np.int64],
    meta: Mapping[str, str],
) -> pa.Table:
    trials = [number for number, vote in enumerate(votes) if vote is not None]
    lists = [np.round(vote[chosen] * 1000).astype(np.uint16).ravel() for vote in votes if vote is not None]
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    values = pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(lists)))
    table = pa.table({"trial": pa.array(trials, pa.int32()), "thousandths": values})
    return table.replace_schema_metadata({**meta, "labels": json.dumps(labels[chosen].tolist())})


def _by_fold_run(keys: Sequence[FoldRunKey], tests: Sequence[NDArray[np.float32] | None]) -> pa.Table:
    found = [(key, test) for key, test in zip(keys, tests, strict=True) if test is not None]
    return pa.table(
        {
            "trial": pa.array([key.trial for key, _ in found], pa.int32()),
            "fold": pa.array([key.fold for key, _ in found], pa.int8()),
            "probabilities": _lists([test.astype(np.float16).ravel() for _, test in found]),
        }
    )


def _lists(rows: Sequence[NDArray[np.float16]]) -> pa.Array:
    if not rows:
        return pa.array([], pa.list_(pa.float16()))
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(rows)))

"""Out-of-fold probabilities: as bytes of one fold run, and as one table of a whole trial.

A table is Parquet with the columns row, path, label, fold and one p_<class> per class. Of several labels it
has, in place of label, one column label_<name> of 0 and 1 for each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from orchestrator.core.arrays import Probabilities
from orchestrator.core.errors import StudyError
from orchestrator.core.file_digest import is_as_stored
from orchestrator.core.json_text import parse_json
from orchestrator.data.parquet_files import UNREADABLE, first_words, read_arrow, write_table

Rows = NDArray[np.int64]
_LABEL_PROBABILITIES = "label_probabilities"  # their name in a fold's bytes, where they are of several labels
_SUM_TOLERANCE = 1e-2  # half precision on a GPU leaves sums this far from 1


@dataclass(frozen=True)
class Prediction:
    """Probabilities of the rows that have a validation fold, in the order of the manifest.

    rows (n,): manifest rows; probabilities (n, C), rows summing to 1; labels (n,) in [0, C). Of several
    labels both are (n, L): probabilities each in [0, 1], labels 0 or 1.
    folds (n,) >= 0: the fold whose model, which did not train on the row, gave the probabilities.
    classes (C), paths (n): where it was read from a table, which has their names; else empty.
    """

    rows: Rows
    probabilities: Probabilities
    labels: NDArray[np.int64]
    folds: NDArray[np.int16]
    classes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def frame(self) -> pd.DataFrame:
        """One row per manifest row: row, path (where known), label, fold, and p_<class> for each class.

        Of several labels, label_<name> for each in place of label.
        """
        columns: dict[str, Any] = {"row": self.rows}
        if self.paths:
            columns["path"] = self.paths
        names = self.classes or tuple(str(index) for index in range(self.probabilities.shape[1]))
        chances = {f"p_{name}": self.probabilities[:, index] for index, name in enumerate(names)}
        return pd.DataFrame({**columns, **label_columns(self.labels, names), "fold": self.folds, **chances})


def label_columns(labels: NDArray[np.int64], names: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """label -> labels (n,), or label_<name> -> a column (n,) for each of several labels."""
    if labels.ndim == 1:
        return {"label": labels}
    return {f"label_{name}": labels[:, index] for index, name in enumerate(names)}


def fold_to_bytes(rows: Rows, probabilities: Probabilities, multi_label: bool = False) -> bytes:
    """One fold's rows (n,) and probabilities (n, C) or (n, L) as safetensors. Raises StudyError."""
    check_fold(rows, probabilities, multi_label, "fold predictions")
    tensors = {
        "rows": np.ascontiguousarray(rows, dtype=np.int64),
        _LABEL_PROBABILITIES if multi_label else "probabilities": np.ascontiguousarray(
            probabilities, dtype=np.float32
        ),
    }
    data: bytes = save(tensors)
    return data


def fold_from_bytes(data: bytes) -> tuple[Rows, Probabilities]:
    """Inverse of `fold_to_bytes`. Raises StudyError for anything else."""
    try:
        tensors = load(data)
        multi_label = _LABEL_PROBABILITIES in tensors
        rows = tensors["rows"]
        probabilities = tensors[_LABEL_PROBABILITIES if multi_label else "probabilities"]
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise StudyError(f"fold predictions cannot be read ({error}); restore the study's folder") from error
    if rows.dtype != np.int64 or probabilities.dtype != np.float32:
        kinds = f"{rows.dtype} and {probabilities.dtype}"
        raise StudyError(f"fold predictions hold {kinds}, not int64 rows and float32 probabilities")
    check_fold(rows, probabilities, multi_label, "fold predictions")
    return rows, probabilities


def is_made_of(prediction: Prediction, digests: Mapping[int, str]) -> bool:
    """Whether these are the probabilities that its folds stored. digests: fold -> of the stored bytes."""
    multi_label = prediction.labels.ndim == 2
    for fold, digest in digests.items():
        own = prediction.folds == fold
        data = fold_to_bytes(prediction.rows[own], prediction.probabilities[own], multi_label)
        if not is_as_stored(data, digest):
            return False
    return True


def check_fold(rows: Rows, probabilities: Probabilities, multi_label: bool, where: str) -> None:
    """Raises StudyError, beginning with `where`, for what are no predictions of these rows."""
    if rows.ndim != 1 or probabilities.ndim != 2 or len(rows) != len(probabilities):
        raise StudyError(
            f"{where}: rows {rows.shape} and probabilities {probabilities.shape} must be (n,) and (n, C)"
        )
    if not np.isfinite(probabilities).all() or (probabilities < 0).any():
        raise StudyError(f"{where}: probabilities must be finite and not negative")
    if multi_label:
        if (probabilities > 1 + _SUM_TOLERANCE).any():
            raise StudyError(f"{where}: a label's probability is {probabilities.max():.4f}, above 1")
        return
    sums = probabilities.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > _SUM_TOLERANCE)
    if len(wrong):
        raise StudyError(f"{where}: probabilities of row {rows[wrong[0]]} sum to {sums[wrong[0]]:.4f}, not 1")


def assemble(
    parts: Mapping[int, tuple[Rows, Probabilities]],
    labels: NDArray[np.int64],
    folds: NDArray[np.int16],
) -> Prediction:
    """One prediction from the parts of all folds.

    labels (n,) or (n, L), folds (n,): of every manifest row; a row with folds >= 0 must come from exactly
    that fold's part.
    Raises StudyError for a row that is missing, doubled, unknown or from another fold.
    """
    widths = {probabilities.shape[1] for _, probabilities in parts.values()}
    if len(widths) != 1:
        raise StudyError(f"the folds' predictions have {sorted(widths)} classes; they must agree")
    if labels.ndim == 2 and widths != {labels.shape[1]}:
        raise StudyError(f"the predictions have {widths.pop()} labels and the rows {labels.shape[1]}")
    for fold, (rows, _) in parts.items():
        _check_rows_of(fold, rows, folds)
    rows = np.concatenate([part[0] for part in parts.values()])
    missing = np.setdiff1d(np.flatnonzero(folds >= 0), rows)
    if len(missing):
        raise StudyError(
            f"{len(missing)} rows have no prediction; the first is row {missing[0]} "
            f"of fold {folds[missing[0]]}"
        )
    order = np.argsort(rows, kind="stable")  # parts come fold by fold; studies compare row by row
    probabilities = np.concatenate([part[1] for part in parts.values()])
    rows = rows[order]
    return Prediction(rows, probabilities[order], labels[rows].astype(np.int64), folds[rows].astype(np.int16))


def _check_rows_of(fold: int, rows: Rows, folds: NDArray[np.int16]) -> None:
    unknown = rows[(rows < 0) | (rows >= len(folds))]
    if len(unknown):
        raise StudyError(f"fold {fold} predicts row {unknown[0]}, but the manifest has {len(folds)} rows")
    foreign = rows[folds[rows] != fold]
    if len(foreign):
        raise StudyError(
            f"fold {fold} predicts row {foreign[0]}, which belongs to fold {folds[foreign[0]]}: its model "
            "may have trained on it"
        )
    found, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        raise StudyError(f"fold {fold} predicts row {found[counts > 1][0]} more than once")


def write_prediction(
    path: Path, prediction: Prediction, paths: Sequence[str], classes: Sequence[str]
) -> None:
    """A prediction as Parquet, whole or not at all. paths: of every manifest row."""
    width = prediction.probabilities.shape[1]
    if width != len(classes):
        raise StudyError(f"{path}: {width} columns of probabilities for {len(classes)} classes")
    columns: dict[str, pa.Array] = {
        "row": pa.array(prediction.rows, pa.int64()),
        "path": pa.array([paths[row] for row in prediction.rows], pa.string()),
        **{name: pa.array(item) for name, item in label_columns(prediction.labels, classes).items()},
        "fold": pa.array(prediction.folds, pa.int16()),
    }
    columns.update(probability_columns(prediction.probabilities, classes))
    metadata = {"classes": json.dumps(list(classes))}
    if prediction.labels.ndim == 2:
        metadata["multi_label"] = "true"
    write_table(path, pa.table(columns).replace_schema_metadata(metadata))


def probability_columns(probabilities: Probabilities, classes: Sequence[str]) -> dict[str, pa.Array]:
    """p_<class> -> column. probabilities (n, C)."""
    return {
        f"p_{name}": pa.array(np.ascontiguousarray(probabilities[:, index]), pa.float32())
        for index, name in enumerate(classes)
    }


def read_prediction(path: Path) -> tuple[Prediction, tuple[str, ...]]:
    """A prediction and its classes. Raises StudyError when the file is missing or something else."""
    table = _read_table(path)
    metadata = table.schema.metadata or {}
    try:
        classes = tuple(str(name) for name in parse_json(metadata[b"classes"]))
        multi_label = b"multi_label" in metadata
        rows, labels = table["row"].to_numpy(), _read_labels(table, classes, multi_label)
        folds, paths = table["fold"].to_numpy(), tuple(table["path"].to_pylist())
        probabilities = np.column_stack([table[f"p_{name}"].to_numpy() for name in classes])
    except (KeyError, ValueError, TypeError) as error:
        raise StudyError(f"{path}: no table of predictions ({error!r} is missing or unreadable)") from error
    check_fold(rows, probabilities, multi_label, str(path))
    highest = 1 if multi_label else len(classes) - 1
    if len(rows) and (labels.min() < 0 or labels.max() > highest or folds.min() < 0):
        raise StudyError(f"{path}: a label outside 0..{highest}, or a row without a fold")
    prediction = Prediction(
        rows.astype(np.int64),
        probabilities.astype(np.float32),
        labels.astype(np.int64),
        folds.astype(np.int16),
        classes,
        paths,
    )
    return prediction, classes


def _read_labels(table: pa.Table, classes: Sequence[str], multi_label: bool) -> NDArray[np.int64]:
    if not multi_label:
        labels: NDArray[np.int64] = table["label"].to_numpy()
        return labels
    return np.column_stack([table[f"label_{name}"].to_numpy() for name in classes])


def read_paths(path: Path) -> frozenset[str]:
    """The paths in a table of predictions. Raises StudyError."""
    table = _read_table(path)
    if "path" not in table.column_names:
        raise StudyError(f"{path}: no table of predictions (no column path)")
    try:
        return frozenset(table["path"].to_pylist())
    except UnicodeDecodeError as error:
        raise StudyError(f"{path} cannot be read: {error}; restore it from a copy of the study") from error


def _read_table(path: Path) -> pa.Table:
    try:
        return read_arrow(path)
    except UNREADABLE as error:
        raise StudyError(
            f"{path} cannot be read: {first_words(error)}; restore it from a copy of the study"
        ) from error

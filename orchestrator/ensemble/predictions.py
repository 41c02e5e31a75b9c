"""Predictions for new rows as files: probabilities as Parquet, and the competition's CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import EnsembleError, StorageError
from orchestrator.data.manifest import Manifest
from orchestrator.data.table_files import write_table
from orchestrator.study.predictions import probability_columns

IMAGE_ID = "ImageID"
ANSWER = "ans"


def rows_to_predict(manifest: Manifest) -> tuple[Manifest, str]:
    """The rows with role test, or all if there are none, and a line that says which."""
    test = manifest.frame["role"] == "test"
    if not test.any():
        return manifest, f"predicting all {len(manifest.frame)} rows of {manifest.name} (none has role test)"
    kept = replace(manifest, frame=manifest.frame[test].reset_index(drop=True))
    others = len(manifest.frame) - len(kept.frame)
    left = f" ({others} others have roles that are trained on)" if others else ""
    return kept, f"predicting the {len(kept.frame)} rows of {manifest.name} with role test{left}"


def image_paths(manifest: Manifest) -> list[str]:
    """Where each row's image lies on this machine."""
    return [str(manifest.root / path) for path in manifest.frame["path"]]


def check_submission(path: Path, manifest: Manifest) -> None:
    """Raises EnsembleError when the file exists or the rows are no template with every ImageID once."""
    if path.exists():
        raise EnsembleError(f"--submission {path} exists; name another file (nothing was changed)")
    if IMAGE_ID not in manifest.frame:
        raise EnsembleError(
            f"--submission: the manifest {manifest.name} has no column {IMAGE_ID}; --predict must name a "
            "folder with info.csv and images/, the competition's eval layout"
        )
    ids = manifest.frame[IMAGE_ID]
    if ids.isna().any() or ids.duplicated().any():
        wrong = "a missing one" if ids.isna().any() else f"{ids[ids.duplicated()].iloc[0]!r} more than once"
        raise EnsembleError(
            f"--submission: column {IMAGE_ID} of {manifest.name} has {wrong}; correct info.csv"
        )


def write_submission(path: Path, manifest: Manifest, predicted: NDArray[np.int64]) -> None:
    """The template's ImageIDs in the template's order, each with its class number. predicted (n,).

    Raises EnsembleError when the file exists, StorageError when it cannot be written.
    """
    check_submission(path, manifest)
    table = pd.DataFrame({IMAGE_ID: manifest.frame[IMAGE_ID].to_numpy(), ANSWER: predicted})
    try:
        with atomic_write(path) as file:
            file.write(table.to_csv(index=False).encode())
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; name another --submission") from error


def write_probabilities(
    folder: Path, manifest: Manifest, probabilities: Probabilities, classes: Sequence[str]
) -> Path:
    """Parquet in `folder` under a name that is free: path, ImageID if there, the predicted class's name and
    number, and p_<class>. probabilities (n, C). Returns where it lies."""
    predicted = probabilities.argmax(axis=1)
    columns: dict[str, pa.Array] = {"path": pa.array([str(item) for item in manifest.frame["path"]])}
    if IMAGE_ID in manifest.frame:
        columns[IMAGE_ID] = pa.array([str(item) for item in manifest.frame[IMAGE_ID]])
    columns["predicted"] = pa.array([classes[index] for index in predicted])
    columns["predicted_index"] = pa.array(predicted.astype(np.int64))
    columns.update(probability_columns(probabilities, classes))
    path = _free_name(folder, f"predictions-{manifest.name}")
    write_table(path, pa.table(columns))
    return path


def histogram(predicted: NDArray[np.int64], classes: Sequence[str]) -> str:
    """One line: how often each class was predicted."""
    counts = np.bincount(predicted, minlength=len(classes))
    return ", ".join(f"{name} {count}" for name, count in zip(classes, counts, strict=True))


def _free_name(folder: Path, stem: str) -> Path:
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)
    path, number = folder / f"{stem}.parquet", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.parquet"
    return path

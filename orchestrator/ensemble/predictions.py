"""Predictions for new rows: what is decided of probabilities, and both as Parquet."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.task import Task
from orchestrator.core.text import on_one_line
from orchestrator.data.manifest import Manifest
from orchestrator.data.parquet_files import write_table
from orchestrator.data.scalars import to_scalars, to_text
from orchestrator.evaluation.thresholds import HALF, Thresholds, decide_labels
from orchestrator.study.predictions import probability_columns

_ID = re.compile(
    "(image|img|file|photo|picture|scan|slide|sample|study ?instance)?[ _-]?(id|uid|name|key)([ _-]code)?",
    re.IGNORECASE,
)


def decided(task: Task, probabilities: Probabilities, thresholds: Thresholds | None) -> Labels:
    """The most probable class, (n,); of several labels 0 and 1, (n, L). probabilities (n, C) or (n, L).

    thresholds: of several labels; None cuts at 0.5.
    """
    if not task.multi_label:
        classes: Labels = probabilities.argmax(axis=1)
        return classes
    if thresholds is None:
        return decide_labels(probabilities, np.full(len(task), HALF))
    return thresholds.decide(probabilities)


def write_probabilities(
    folder: Path, manifest: Manifest, probabilities: Probabilities, labels: Labels, task: Task
) -> Path:
    """Parquet in `folder` under a name that is free, in the order of the rows: path, the column with the ids
    if there is one, predicted (its name, or a list of names), predicted_index (of one class), and p_<class>.

    probabilities (n, C), labels as `decided` gives them. Returns where it lies.
    """
    columns: dict[str, pa.Array] = {"path": pa.array([str(item) for item in manifest.frame["path"]])}
    ids = id_column(manifest)
    if ids is not None:
        columns[ids] = pa.array([to_text(cell) for cell in to_scalars(manifest.frame[ids])])
    if task.multi_label:
        sets = [[task.classes[at] for at in np.flatnonzero(row)] for row in labels]
        columns["predicted"] = pa.array(sets, pa.list_(pa.string()))
    else:
        columns["predicted"] = pa.array([task.classes[index] for index in labels])
        columns["predicted_index"] = pa.array(labels)
    columns.update(probability_columns(probabilities, task.classes))
    path = _free_name(folder, f"predictions-{manifest.name}")
    write_table(path, pa.table(columns))
    return path


def id_column(manifest: Manifest) -> str | None:
    """The column whose cells name the rows, once each: by an end of their paths, else by its own name."""
    frame = manifest.frame
    own = [str(name) for name in frame.columns if name not in ("path", "group", "role")]
    cells = {name: [to_text(cell) for cell in to_scalars(frame[name])] for name in own}
    unique = [name for name in own if None not in cells[name] and len(set(cells[name])) == len(frame)]
    paths = [str(path) for path in frame["path"]]
    naming = [name for name in unique if all(map(_names, cells[name], paths))]
    called = [name for name in unique if _ID.fullmatch(name)]
    return next(iter([*naming, *called]), None)


def histogram(labels: Labels, task: Task) -> str:
    """One line: how often each class was predicted. labels (n,), or (n, L) of 0 and 1."""
    counts = labels.sum(axis=0) if task.multi_label else np.bincount(labels, minlength=len(task))
    names = map(on_one_line, task.classes)
    return ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))


def _names(cell: str | None, path: str) -> bool:
    """Whether the path, or the path without suffix, ends with it."""
    bare = path.rpartition(".")[0]
    return cell is not None and any(f"/{text}".endswith(f"/{cell}") for text in (path, bare))


def _free_name(folder: Path, stem: str) -> Path:
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)
    path, number = folder / f"{stem}.parquet", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.parquet"
    return path

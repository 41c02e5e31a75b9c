"""Exhaustive tables with every fold-epoch's probabilities, of validation rows and of many held-out groups.

    python -m benchmarks.stored_tables utkface --data ../shared/data/utkface \\
        --weights ../shared/weights/tf_efficientnet_lite0.safetensors --out runs/tables

What the simulated studies, the choice of epoch and races for an ensemble are judged on: whatever is chosen,
of whichever epochs, has a known score on groups that nothing was trained on. Small heads on frozen features,
so that 64 configurations x 5 folds x 18 epochs take minutes. The photos' terms are for research alone: such a
table stays out of the repository.

A table is a folder; `StoredTable.open` reads it. `epochs.parquet`, `trials.parquet` and `votes.parquet` are
those of docs/benchmarks/tables.md, so that `python -m orchestrator.race.simulate FOLDER` reads it too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.curve_tables import write_table
from benchmarks.frozen_features import SOURCES, Images, described
from benchmarks.head_training import draw_config, train_head
from orchestrator.core.metrics import score
from orchestrator.data.group_split import spread_groups
from orchestrator.progress import progress_bar

TRIALS, FOLDS, EPOCHS, SEED = 64, 5, 18, 0
METRIC = "macro_f1"
COMPONENTS = {"last": 192, "middle": 64}
ARRAYS = ("labels", "folds", "groups", "test_labels", "test_groups")


@dataclass(frozen=True)
class StoredTable:
    """Every configuration's probabilities after every epoch of every fold.

    validation (trials, epochs, n, C): of each row by the model of its fold; test (trials, folds, epochs,
    N, C): of the held-out rows by every fold's model; both float16 in files, mapped into memory. labels,
    folds, groups (n,) of the validation rows, test_labels, test_groups (N,) of the held-out ones; configs:
    one a trial.
    """

    validation: NDArray[np.float16]
    test: NDArray[np.float16]
    labels: NDArray[np.int64]
    folds: NDArray[np.int16]
    groups: NDArray[np.str_]
    test_labels: NDArray[np.int64]
    test_groups: NDArray[np.str_]
    configs: tuple[dict[str, Any], ...]
    name: str
    metric: str = METRIC

    @classmethod
    def open(cls, folder: Path) -> StoredTable:
        maps = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("validation", "test")}
        with np.load(folder / "rows.npz") as rows:
            arrays = {name: rows[name] for name in ARRAYS}
        configs = tuple(json.loads((folder / "configs.json").read_text()))
        return cls(**maps, **arrays, configs=configs, name=folder.name)

    @property
    def families(self) -> tuple[str, ...]:
        """Of each trial: which features its head is on."""
        return tuple(config["features"] for config in self.configs)


def deal_folds(
    labels: NDArray[np.int64], groups: NDArray[np.generic], classes: int, k: int, rng: np.random.Generator
) -> NDArray[np.int16]:
    """(n,) the fold of each row: whole groups, each fold with its share of every class."""
    names, codes = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), classes), np.int64)
    np.add.at(counts, (codes, labels), 1)
    folds = spread_groups(counts, 0, k, rng)
    assert folds is not None  # no class is required in a fold
    return folds[codes]


def make_table(images: Images, found: dict[str, NDArray[np.float32]], folder: Path) -> StoredTable:
    """Trains every head on every fold, by the features found of every image, and writes the table."""
    rng = np.random.default_rng(SEED)
    train, classes = images.train, int(images.labels.max()) + 1
    inputs = _inputs(found, train)
    labels, groups = images.labels[train], images.groups[train]
    folds = deal_folds(labels, groups, classes, FOLDS, rng)
    configs = [draw_config(rng) for _ in range(TRIALS)]
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {
        "validation": (TRIALS, EPOCHS, int(train.sum()), classes),
        "test": (TRIALS, FOLDS, EPOCHS, int((~train).sum()), classes),
    }
    maps = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float16, shape)
        for name, shape in shapes.items()
    }
    seconds = np.empty((TRIALS, FOLDS))
    with progress_bar("fold runs") as progress:
        for trial, config in enumerate(configs):
            seen = inputs[config["features"]]
            for fold in range(FOLDS):
                started, own = time.perf_counter(), folds == fold
                judged = np.concatenate([seen[train][own], seen[~train]])
                answers = train_head(
                    config, seen[train][~own], labels[~own], judged, classes, EPOCHS, SEED + 31 * trial + fold
                )
                maps["validation"][trial, :, own] = answers[:, : own.sum()].swapaxes(0, 1)
                maps["test"][trial, fold] = answers[:, own.sum() :]
                seconds[trial, fold] = (time.perf_counter() - started) / EPOCHS
                progress(trial * FOLDS + fold + 1, TRIALS * FOLDS)
    for item in maps.values():
        item.flush()
    held_out = {"test_labels": images.labels[~train], "test_groups": images.groups[~train]}
    np.savez(folder / "rows.npz", labels=labels, folds=folds, groups=groups, **held_out)
    (folder / "configs.json").write_text(json.dumps(configs))
    table = StoredTable.open(folder)
    write_curves(table, seconds, folder)
    return table


def _inputs(
    found: dict[str, NDArray[np.float32]], train: NDArray[np.bool_]
) -> dict[str, NDArray[np.float32]]:
    """Principal components, scaled to variance 1, fitted on the training rows alone (their labels unseen)."""
    parts = {}
    for name, values in found.items():
        centred = values - values[train].mean(axis=0)
        _, _, axes = np.linalg.svd(centred[train], full_matrices=False)
        components = centred @ axes[: COMPONENTS[name]].T
        parts[name] = (components / components[train].std(axis=0)).astype(np.float32)
    return {**parts, "both": np.concatenate([parts["last"], parts["middle"]], axis=1)}


def write_curves(table: StoredTable, seconds: NDArray[np.float64], folder: Path) -> None:
    """The tables of docs/benchmarks/tables.md."""
    count, folds, length = table.test.shape[:3]
    scores = np.empty((count, folds, length))
    for fold in range(folds):
        own = table.folds == fold
        for trial in range(count):
            for epoch in range(length):
                answers = table.validation[trial, epoch, own].astype(np.float32)
                scores[trial, fold, epoch] = score(METRIC, table.labels[own], answers)
    best = scores.argmax(axis=2)
    chosen = [[table.test[trial, fold, best[trial, fold]] for fold in range(folds)] for trial in range(count)]
    votes = [np.mean(answers, axis=0, dtype=np.float32) for answers in chosen]
    trial, fold, epoch = (item.ravel() for item in np.indices(scores.shape))
    epochs = {"trial": trial, "fold": fold, "epoch": epoch + 1, "score": scores.ravel()}
    epochs["seconds"] = np.repeat(seconds.ravel(), length)
    tests = [score(METRIC, table.test_labels, vote) for vote in votes]
    configs = [json.dumps(config) for config in table.configs]
    classes = list(range(table.validation.shape[-1]))
    meta = {"classes": json.dumps(classes), "metric": METRIC, "mode": "max"}
    trials = {"trial": np.arange(count), "test_score": tests, "config": configs}
    thousandths = [np.round(vote * 1000).astype(np.uint16).ravel() for vote in votes]
    told = {**meta, "labels": json.dumps(table.test_labels.tolist())}
    for name, columns, about in (
        ("epochs", epochs, meta),
        ("trials", trials, meta),
        ("votes", {"trial": np.arange(count), "thousandths": thousandths}, told),
    ):
        write_table(folder / f"{name}.parquet", pa.table(columns).replace_schema_metadata(about))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("name", choices=sorted(SOURCES))
    add("--data", type=Path, required=True, help="folder of the images")
    add("--weights", type=Path, help=".safetensors of tf_efficientnet_lite0, for photos")
    add("--out", type=Path, default=Path("runs/tables"), help="where the folder of the table goes")
    options = parser.parse_args(argv)
    images, describe = SOURCES[options.name]
    found = images(options.data)
    cache = options.out / "features" / f"{options.name}.npz"
    table = make_table(found, described(found, describe, options.weights, cache), options.out / options.name)
    held_out = len(np.unique(table.test_groups))
    print(f"{options.out / options.name}: {len(table.labels)} rows to train on, {held_out} groups held out")


if __name__ == "__main__":
    main()

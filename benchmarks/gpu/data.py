"""Drawn faces, drawn once for all stages of a run; repeated where a rate needs many images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.gpu.setting import Setting
from orchestrator.core.dataset import Dataset
from orchestrator.data.folds import build_fold_plan
from orchestrator.data.manifest import load_manifest
from orchestrator.data.scalars import columns_of
from orchestrator.data.targets import factors_of
from orchestrator.demo.faces import make_demo_faces
from search_spaces.shared.faces import LABEL, STRATA

FOLDS = 5
VALIDATED = 64  # rows of a fold, where a rate is measured
TRAINED_ON = -1  # fold of rows that no fold run validates
DRAWN_PX = 96  # decoding brings them to the size of a case


def faces(setting: Setting) -> Path:
    """The folder of the training part's table and images."""
    folder = setting.folder / "faces"
    if not (folder / "complete.json").exists():
        make_demo_faces(folder, 0, setting.people, 2, DRAWN_PX)
    return folder / "train"


def dataset(setting: Setting, times: int = 1) -> Dataset:
    """18 classes, five folds by person; each image `times` times, all of them in one fold."""
    return repeated(dataset_of(faces(setting), setting.folder / "cache"), times)


def dataset_of(faces: Path, cache: Path) -> Dataset:
    """faces: the folder of their table and images; cache: of what is decoded."""
    manifest = load_manifest(faces)
    return Dataset(
        root=str(manifest.root),
        paths=tuple(manifest.frame["path"]),
        labels=LABEL.encode(manifest.frame),
        folds=build_fold_plan(manifest, FOLDS, 0, STRATA).folds,
        classes=tuple(LABEL.classes),
        metric="macro_f1",
        mode="max",
        fingerprint=manifest.fingerprint,
        cache_dir=str(cache),
        factors=factors_of(LABEL),
        columns=columns_of(manifest.frame),
    )


def repeated(once: Dataset, times: int) -> Dataset:
    """For rates only: what is learned from images that stand there several times is no score."""
    return replace(
        once,
        paths=once.paths * times,
        labels=np.concatenate([once.labels] * times),
        folds=np.concatenate([once.folds] * times),
        columns={name: np.concatenate([column] * times) for name, column in once.columns.items()},
    )


def rarely_validated(made: Dataset, most: int = VALIDATED) -> Dataset:
    """For rates only: of each fold so many rows are validated, and its others trained on.

    A rate is that of training alone. While one of several fold runs validates, the others have the device to
    themselves, so that what all train together would look like more than it is.
    """
    folds = made.folds.copy()
    for fold in np.unique(folds[folds >= 0]):
        folds[np.flatnonzero(made.folds == fold)[most:]] = TRAINED_ON
    return replace(made, folds=folds)


def rows_per_epoch(data: Dataset, fold: int, batch: int) -> int:
    """Training rows of an epoch of whole batches."""
    rows = len(data.training_rows(fold))
    return rows // min(batch, rows) * min(batch, rows)

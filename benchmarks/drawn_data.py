"""The drawn faces as the data set a fold run sees: 18 classes, five folds by person."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.dataset import Dataset
from orchestrator.data.folds import build_fold_plan
from orchestrator.data.manifest import load_manifest
from orchestrator.data.scalars import columns_of
from orchestrator.data.targets import factors_of
from orchestrator.demo.faces import make_demo_faces
from search_spaces.shared.faces import LABEL, STRATA

FOLDS = 5


def drawn_dataset(folder: Path, people: int, size: int) -> Dataset:
    """Seven photos of `size` px for each of `people`, drawn with seed 0 into `folder`."""
    manifest = load_manifest(make_demo_faces(folder / "faces", 0, people, 2, size) / "train")
    plan = build_fold_plan(manifest, FOLDS, 0, STRATA)
    return Dataset(
        root=str(manifest.root),
        paths=tuple(manifest.frame["path"]),
        labels=LABEL.encode(manifest.frame),
        folds=plan.folds,
        classes=tuple(LABEL.classes),
        metric="macro_f1",
        mode="max",
        fingerprint=manifest.fingerprint,
        cache_dir=str(folder / "cache"),
        factors=factors_of(LABEL),
        columns=columns_of(manifest.frame),
    )

"""The drawn faces as the data set a fold run sees: 18 classes, five folds by person."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gpu.data import dataset_of
from orchestrator.core.dataset import Dataset
from orchestrator.demo.faces import make_demo_faces


def drawn_dataset(folder: Path, people: int, size: int) -> Dataset:
    """Seven photos of `size` px for each of `people`, drawn with seed 0 into `folder`."""
    return dataset_of(make_demo_faces(folder / "faces", 0, people, 2, size) / "train", folder / "cache")

"""What a trainable of one's own sees of a fold: its training rows, its validation rows without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.array_files import Arrays
from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Resources


@dataclass(frozen=True)
class Rows:
    """Images to predict, with what the manifest says of them except their label.

    A folder's name, or a column that repeats the label in other words, may still give it away.
    """

    paths: tuple[str, ...]  # image files, (n,), absolute
    columns: Mapping[str, NDArray[Any]]  # (n,) each: numbers as float64 (NaN: missing), all else as text

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class FoldData:
    """One fold run: train on `training` and `labels`, then predict `validation` after every epoch."""

    training: Rows
    labels: NDArray[np.int64]  # (n,) of the training rows, in [0, len(classes)); or (n, L) of 0 and 1
    validation: Rows  # whose labels are kept back: they are what the score is of
    classes: tuple[str, ...]
    fold: int  # from 0
    max_epochs: int  # how often to predict `validation`
    seed: int  # the same seed must give the same predictions
    resources: Resources
    start: int = 0  # epochs done already; more than 0 only where a state was given along
    state: Arrays | None = None  # what the last epoch gave as its state; None: begin

    @property
    def paths(self) -> tuple[str, ...]:
        """Of the training rows."""
        return self.training.paths

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Of the training rows."""
        return self.training.columns

    @property
    def multi_label(self) -> bool:
        """Whether a row may have several labels; the prediction is then (n_val, L), each in [0, 1]."""
        return self.labels.ndim == 2

    def rng(self, *position: int) -> np.random.Generator:
        """A generator of its own for each position, such as the epoch: what is drawn does not depend on
        where a fold run was continued."""
        return np.random.default_rng([self.seed, *position])


def fold_data(dataset: Dataset, fold: int, max_epochs: int, seed: int, resources: Resources) -> FoldData:
    """Of a dataset; the columns that labels are made from are in none of its rows."""
    training, validation = dataset.training_rows(fold), dataset.validation_rows(fold)
    return FoldData(
        _rows(dataset, training),
        dataset.labels[training],
        _rows(dataset, validation),
        dataset.classes,
        fold,
        max_epochs,
        seed,
        resources,
    )


def _rows(dataset: Dataset, numbers: NDArray[np.int64]) -> Rows:
    answers = {name for factor in dataset.factors for name in factor.columns}
    return Rows(
        tuple(str(Path(dataset.root) / dataset.paths[number]) for number in numbers),
        {name: column[numbers] for name, column in dataset.columns.items() if name not in answers},
    )

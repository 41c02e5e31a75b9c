"""What a fold run may see of a manifest: rows, labels, folds, and where the images lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.task import Task


@dataclass(frozen=True)
class Factor:
    """One part of what is predicted, read from one column of the manifest, or from several."""

    name: str
    classes: tuple[str, ...]
    column: str  # the first of `columns`
    edges: tuple[float, ...] | None = None  # class c holds edges[c - 1] <= value < edges[c]; None: no bins
    ordered: bool = False  # whether the classes stand in an order; edges make it so
    columns: tuple[str, ...] = ()  # every column it is read from; left out, it is `column` alone

    def __post_init__(self) -> None:
        object.__setattr__(self, "ordered", self.ordered or self.edges is not None)
        object.__setattr__(self, "columns", self.columns or (self.column,))


@dataclass(frozen=True)
class ImageFiles:
    """The image files a study was begun with, to tell other ones from them."""

    host: str  # where they were looked at
    root: str  # the folder they lay in there
    sizes: NDArray[np.int64]  # (n,) bytes, in the order of `Dataset.paths`
    digests: Mapping[int, str]  # row -> SHA-256 (hex) of its file, of all rows or of a sample


@dataclass(frozen=True)
class ImageLocator:
    """What machines other than the driver's need to find the images (orchestrator.inputs.node_images)."""

    cache: str  # identity of the driver's cache folder
    data_root: str | None = None  # where images may lie on other machines (--data-root)
    drawn: bool = False  # whether they are the demo faces, which every machine draws for itself
    private: bool = False  # whether what is written is for its owner alone
    files: ImageFiles | None = None  # None where they were not looked at


@dataclass(frozen=True)
class Dataset:
    """What a fold run may see: the n rows with role train or extra. Rows with role test are not in it."""

    root: str  # the folder of the images
    paths: tuple[str, ...]  # (n,) relative to root
    labels: NDArray[np.int64]  # (n,) in [0, C): the factors' class numbers in mixed radix; or (n, L) of 0, 1
    folds: NDArray[np.int16]  # (n,) the fold that validates a row; -1: extra; -2 - f: extra, for fold f alone
    classes: tuple[str, ...]
    metric: str  # a name that core.metrics.find knows
    mode: str  # "max" or "min": which of its values are better
    fingerprint: str  # of the images' identity; it names the image store
    cache_dir: str  # where a machine may keep that store
    factors: tuple[Factor, ...] = ()  # the parts of a label, the first most significant
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # (n,) each, float64 with NaN, or text
    condition_mask: NDArray[np.bool_] | None = None  # (n,) rows to learn from and score; None is all
    origin: ImageLocator | None = None  # None where root and cache_dir hold on every machine

    @property
    def task(self) -> Task:
        """A label of several factors has no order."""
        ordered = len(self.factors) == 1 and self.factors[0].ordered
        return Task(self.classes, self.labels.ndim == 2, ordered)

    def validation_rows(self, fold: int) -> NDArray[np.int64]:
        """Row numbers, ascending."""
        return np.flatnonzero(self.folds == fold)

    def training_rows(self, fold: int) -> NDArray[np.int64]:
        """Row numbers, ascending: those of other folds, and the extra rows of every fold or of this one."""
        joins = (self.folds != fold) & ((self.folds >= -1) | (self.folds == -2 - fold))
        return np.flatnonzero(joins if self.condition_mask is None else joins & self.condition_mask)

    def scored(self, fold: int) -> NDArray[np.bool_]:
        """(rows,): which of `validation_rows(fold)` the score is of."""
        rows = self.validation_rows(fold)
        return np.ones(len(rows), np.bool_) if self.condition_mask is None else self.condition_mask[rows]

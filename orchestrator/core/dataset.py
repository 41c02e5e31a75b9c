"""What a fold run may see of a manifest: rows, labels, folds, and where the images lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Factor:
    """One part of what is predicted, read from one column of the manifest.

    edges: class c holds edges[c - 1] <= value < edges[c], so the classes are ordered; None: they are not.
    """

    name: str
    classes: tuple[str, ...]
    column: str
    edges: tuple[float, ...] | None = None


@dataclass(frozen=True)
class ImageFiles:
    """The image files a study was begun with, to tell other ones from them.

    host, root: where they were looked at; sizes: (n,) int64 bytes, in the order of `Dataset.paths`;
    digests: row -> SHA-256 (hex) of its file, of all rows or a sample.
    """

    host: str
    root: str
    sizes: NDArray[np.int64]
    digests: Mapping[int, str]


@dataclass(frozen=True)
class ImageLocator:
    """What machines other than the driver's need to find a dataset's images (orchestrator.local_data).

    cache: identity of the driver's cache folder; data_root: where images may lie on others (--data-root);
    drawn: they are the demo faces; private: what is written is for its owner alone; files None: not known.
    """

    cache: str
    data_root: str | None = None
    drawn: bool = False
    private: bool = False
    files: ImageFiles | None = None


@dataclass(frozen=True)
class Dataset:
    """What a fold run may see: the rows with role train or extra. Rows with role test are not in it.

    paths: (n,) image paths relative to `root`; labels: (n,) int64 in [0, len(classes));
    folds: (n,) int16, the fold in which a row is validated; for role extra -1 (every training part) or
    -2 - f (the training part of fold f alone, such as a label that fold f's model gave);
    fingerprint: of the images' identity, names the image store; cache_dir: where a node may keep it;
    factors: the parts of a label, which is their class numbers in mixed radix, the first most significant;
    columns: the manifest's others, each (n,), numbers as float64 (NaN: missing) and all else as text;
    within: (n,) bool, the rows that are trained on and scored; None: all. The others get probabilities too;
    origin: what another machine needs to find the images; None: this one's paths hold wherever it goes.
    """

    root: str
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    folds: NDArray[np.int16]
    classes: tuple[str, ...]
    metric: str
    mode: str
    fingerprint: str
    cache_dir: str
    factors: tuple[Factor, ...] = ()
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    within: NDArray[np.bool_] | None = None
    origin: ImageLocator | None = None

    def validation_rows(self, fold: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.folds == fold)

    def training_rows(self, fold: int) -> NDArray[np.int64]:
        joins = (self.folds != fold) & ((self.folds >= -1) | (self.folds == -2 - fold))
        return np.flatnonzero(joins if self.within is None else joins & self.within)

    def scored(self, fold: int) -> NDArray[np.bool_]:
        """Which of `validation_rows(fold)` the score is of."""
        rows = self.validation_rows(fold)
        return np.ones(len(rows), np.bool_) if self.within is None else self.within[rows]

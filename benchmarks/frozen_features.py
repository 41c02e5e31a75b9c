"""Images with labels, and features of them that nothing is trained for (`benchmarks.stored_tables`).

Each image has two descriptions, so that heads on either differ enough to be worth voting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.errors import ManifestError

SEED = 0


@dataclass(frozen=True)
class Images:
    """Labelled images. groups (n,): rows of one group are of one person; train (n,): not held out."""

    content: Sequence[Path] | NDArray[np.uint8]  # paths, or grey pixels (n, 28, 28)
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    train: NDArray[np.bool_]


Features = dict[str, NDArray[np.float32]]


def utkface(folder: Path) -> Images:
    """Ages in three classes; 1,000 groups of near-duplicates to train on."""
    frame = pd.read_csv(folder / "labels.csv")
    labels, groups = _age_class(frame["age"]), frame["group"].to_numpy(str)
    return Images([folder / path for path in frame["path"]], labels, groups, _drawn(labels, groups, 1000))


def mask_faces(folder: Path) -> Images:
    """Ages of 800 people, seven photos each; 400 people to train on."""
    frame = pd.read_csv(folder / "train" / "train.csv")
    paths: list[Path] = []
    rows: list[int] = []
    for row, name in enumerate(frame["path"]):
        photos = sorted((folder / "train" / "images" / name).iterdir())
        paths += photos
        rows += [row] * len(photos)
    labels, groups = _age_class(frame["age"])[rows], np.asarray(rows).astype(str)
    return Images(paths, labels, groups, _drawn(labels, groups, 400))


def fashion(folder: Path) -> Images:
    """Fashion-MNIST's long tail as benchmarks.fashion_mnist writes it; an image is a group."""
    frame = pd.read_csv(folder / "manifest.csv")
    pixels = np.stack([cv2.imread(str(folder / path), cv2.IMREAD_GRAYSCALE) for path in frame["path"]])
    labels = np.unique(frame["clothing"], return_inverse=True)[1].astype(np.int64)
    return Images(pixels, labels, np.arange(len(frame)).astype(str), (frame["role"] == "train").to_numpy())


def described(
    images: Images, describe: Callable[[Any, Path | None], Features], weights: Path | None, cache: Path
) -> Features:
    """Two descriptions of every image, `last` and `middle`; computed once and kept in `cache`."""
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        part = cache.with_suffix(".part.npz")
        found = describe(images.content, weights)
        np.savez(part, **{name: values.astype(np.float16) for name, values in found.items()})
        part.replace(cache)
    with np.load(cache) as kept:
        return {name: kept[name].astype(np.float32) for name in ("last", "middle")}


def by_pixels(content: NDArray[np.uint8], weights: Path | None) -> Features:
    """Grey values, and how steep they are in 7 x 7 fields."""
    del weights
    scaled = content.astype(np.float32) / 255
    slopes = [np.abs(np.diff(scaled, axis=axis, append=0)) for axis in (1, 2)]
    fields = [item.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)) for item in slopes]
    return {"last": scaled.reshape(len(scaled), -1), "middle": np.stack(fields, 1).reshape(len(scaled), -1)}


def by_network(content: Sequence[Path], weights: Path | None) -> Features:
    """One pass through timm's tf_efficientnet_lite0. Raises ManifestError without its weights."""
    from benchmarks.network_features import describe_photos

    if weights is None:
        raise ManifestError("photos are described by tf_efficientnet_lite0; name its weights with --weights")
    return describe_photos(content, weights)


SOURCES: dict[str, tuple[Callable[[Path], Images], Callable[[Any, Path | None], Features]]] = {
    "utkface": (utkface, by_network),
    "mask_faces": (mask_faces, by_network),
    "fashion": (fashion, by_pixels),
}


def _age_class(ages: pd.Series) -> NDArray[np.int64]:
    """0 below 30, 1 below 60, 2 from 60 on."""
    found: NDArray[np.int64] = np.digitize(ages.to_numpy(), [30, 60]).astype(np.int64)
    return found


def _drawn(labels: NDArray[np.int64], groups: NDArray[np.str_], count: int) -> NDArray[np.bool_]:
    """(n,) the rows of `count` groups, drawn so that their classes are as frequent as all groups'."""
    names, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng(SEED).permutation(len(names))
    order = order[np.argsort(labels[first][order], kind="stable")]
    chosen = np.zeros(len(names), np.bool_)
    chosen[order[np.linspace(0, len(names) - 1, count).round().astype(np.int64)]] = True
    train: NDArray[np.bool_] = chosen[codes]
    return train

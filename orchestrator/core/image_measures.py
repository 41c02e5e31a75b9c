"""What one pass over the decoded images measures of each: all that looks for copies and oddities reads this.

A trainable makes it where it has a `measure_images` (see `core.measuring`); nothing here decodes an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.atomic_file import atomic_write

ORIENTATIONS = 8
"""Ways to lay a picture down: those of EXIF, 1 to 8, are numbered 0 to 7 here."""

STATISTICS: Mapping[str, str] = {
    "brightness": "mean of the perceived brightness, sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2) / 255",
    **{
        f"brightness_p{share:02d}": f"the perceived brightness below which {share}% of pixels stay, 0 to 1"
        for share in (1, 5, 10, 50, 90, 95, 99)
    },
    "contrast": "standard deviation of the perceived brightness, 0 to 1",
    "colour": "mean over the pixels of largest less smallest channel, 0 (grey throughout) to 255",
    "entropy": "of the histogram of grey levels, in bits, 0 (one level) to 8",
    "edge_std": "standard deviation of the edges (8-neighbour Laplacian) at no more than 64 pixels a side",
    "fine_edge_std": "the same at no more than 512 pixels a side",
    "histogram_std": "standard deviation of the shares of the 256 grey levels, at 64 pixels a side or fewer",
    "quality": "how much there is to compare, 0 (nothing) to 100: gradients of the 64 x 64 picture, as PDQ's",
    "file_bytes": "size of the file",
    "turned": "1 where EXIF says that the file is not stored upright",
    "transparent": "1 where pixels are transparent",
}
"""Name -> meaning of each column of `ImageMeasures.statistics`. Kinds and formulas are cleanvision's."""


class ImageSource(Protocol):
    """Image files in one folder; a `Dataset` is one."""

    @property
    def root(self) -> str: ...
    @property
    def paths(self) -> tuple[str, ...]: ...
    @property
    def cache_dir(self) -> str: ...


@dataclass(frozen=True)
class ImageList:
    """The files of any rows, those with role test too."""

    root: str  # the folder of the images
    paths: tuple[str, ...]  # (n,) relative to root
    cache_dir: str  # where this machine may keep what is measured


@dataclass(frozen=True)
class ImageMeasures:
    """Of n rows. An unreadable file has its reason in `errors`; its other values are "", 0 and NaN."""

    digests: NDArray[np.str_]  # (n,) of the decoded, upright RGB pixels and their shape, hex; "" unreadable
    hashes: NDArray[np.uint64]  # (n, 8, W) perceptual hash of each orientation, see `oriented`
    height: NDArray[np.int32]  # (n,) pixels, upright
    width: NDArray[np.int32]
    kind: NDArray[np.str_]  # (n,) jpeg, png, ... by the file's first bytes
    mode: NDArray[np.str_]  # (n,) of the file as Pillow names them: L, RGB, RGBA, P, CMYK, ...; "" unknown
    statistics: Mapping[str, NDArray[np.float32]]  # (n,) each of STATISTICS
    thumbnails: NDArray[np.uint8]  # (n, T, T) grey, squeezed to a square
    camera: NDArray[np.str_]  # (n,) make and model in EXIF; "" none
    taken: NDArray[np.str_]  # (n,) when, in EXIF, as YYYY-MM-DD HH:MM:SS; "" unknown
    errors: NDArray[np.str_]  # (n,) why it cannot be read; "" readable

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(n,)"""
        return np.asarray(self.errors == "", np.bool_)

    def take(self, rows: NDArray[np.int64] | slice) -> ImageMeasures:
        """Those of some rows, in their order."""
        columns = {name: column[rows] for name, column in _columns(self).items()}
        return replace(
            self, statistics={name: column[rows] for name, column in self.statistics.items()}, **columns
        )


def joined(parts: Sequence[ImageMeasures]) -> ImageMeasures:
    """One after the other; at least one."""
    names = _columns(parts[0])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    statistics = {
        name: np.concatenate([part.statistics[name] for part in parts]) for name in parts[0].statistics
    }
    return ImageMeasures(statistics=statistics, **columns)


def oriented(images: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pictures (..., H, W) laid down the way numbered 0 to 7: what EXIF's 1 to 8 do to show them upright.

    `hashes[:, o]` are those of `oriented(images, o)`.
    """
    if orientation >= 4:
        images = images.swapaxes(-1, -2)
    if orientation in (1, 2, 5, 6):
        images = images[..., ::-1]
    return images[..., ::-1, :] if orientation in (2, 3, 6, 7) else images


# ---- on disk --------------------------------------------------------------------------------------


def write_measures(path: Path, measures: ImageMeasures) -> None:
    """As a NumPy archive that appears whole or not at all. Raises OSError."""
    stored: dict[str, NDArray[Any]] = {}
    for name, column in _columns(measures).items():
        if column.dtype.kind == "U":  # of few different texts, as long as the longest: the numbers are small
            stored[f"{name}.values"], stored[f"{name}.codes"] = np.unique(column, return_inverse=True)
        else:
            stored[name] = column
    stored |= {f"statistics.{name}": column for name, column in measures.statistics.items()}
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **stored)


def read_measures(path: Path) -> ImageMeasures:
    """Inverse of `write_measures`. Raises OSError, ValueError, KeyError, zipfile.BadZipFile."""
    with np.load(path, allow_pickle=False) as stored:
        statistics = {name: stored[f"statistics.{name}"] for name in STATISTICS}
        columns = {
            item.name: stored[item.name]
            if item.name in stored
            else stored[f"{item.name}.values"][stored[f"{item.name}.codes"]]
            for item in fields(ImageMeasures)
            if item.name != "statistics"
        }
    return ImageMeasures(statistics=statistics, **columns)


def _columns(measures: ImageMeasures) -> dict[str, NDArray[Any]]:
    """The arrays of n rows by name, without the statistics."""
    names = (item.name for item in fields(ImageMeasures) if item.name != "statistics")
    return {name: getattr(measures, name) for name in names}

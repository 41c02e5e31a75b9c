"""Image files to arrays of one size: decoded, preprocessed, resized, alike wherever images are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import ImageReadError, TrainableError
from orchestrator.core.regular_files import read_file
from orchestrator.core.text import on_one_line
from trainables.images.decode import decode
from trainables.images.file_kinds import UndecodableError
from trainables.images.image_facts import note
from trainables.images.pixels import DEFAULT, Decoded, Decoding, Images
from trainables.images.preprocess import Preprocess, as_preprocess, size_of

LISTED = 20  # files an error names


@dataclass(frozen=True)
class Unreadable:
    path: str
    reason: str


def read_image(
    path: Path,
    size: int | str,
    preprocess: Preprocess | str = "",
    row: Mapping[str, float] | None = None,
    decoding: Decoding = DEFAULT,
) -> Images:
    """The image as (H, W, 3) uint8 RGB, preprocessed, then squeezed to the size.

    Pixels are averaged when shrinking and interpolated when enlarging. row: the columns that the
    preprocessing reads. Raises UndecodableError with the reason, TrainableError as the preprocessing does.
    """
    return _fitted(_decoded(path, decoding), size, as_preprocess(preprocess), row or {})


def file_bytes(path: Path) -> bytes:
    """Raises UndecodableError."""
    try:
        return read_file(path)
    except FileNotFoundError as error:
        raise UndecodableError("missing") from error
    except OSError as error:
        raise UndecodableError(error.strerror or str(error)) from error


def _decoded(path: Path, decoding: Decoding) -> Decoded:
    return decode(file_bytes(path), decoding)


def _fitted(decoded: Decoded, size: int | str, steps: Preprocess, row: Mapping[str, float]) -> Images:
    image = steps(decoded.pixels, row, decoded.reduced)
    height, width = size_of(size)
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def read_images(
    paths: Sequence[str],
    root: Path,
    size: int | str,
    preprocess: Preprocess | str = "",
    columns: Mapping[str, NDArray[Any]] | None = None,
    decoding: Decoding = DEFAULT,
    notes: NDArray[np.void] | None = None,
) -> tuple[Images, list[Unreadable]]:
    """Images (n, H, W, 3), and the files that could not be read (their rows are zero).

    columns: each (n,), those of the manifest that the preprocessing reads. notes: (n,) of `image_facts.NOTE`,
    where given it is filled with what is worth knowing of each. Raises TrainableError.
    """
    steps = as_preprocess(preprocess)
    needed = steps.columns_in(columns)
    images = np.zeros((len(paths), *size_of(size), 3), np.uint8)
    bad = []
    for index, path in enumerate(paths):
        row = {name: float(column[index]) for name, column in needed.items()}
        try:
            decoded = _decoded(root / path, decoding)
            images[index] = _fitted(decoded, size, steps, row)
        except TrainableError as error:
            raise TrainableError(f"{path}: {error}") from error
        except UndecodableError as error:
            bad.append(Unreadable(path, str(error)))
            continue
        if notes is not None:
            notes[index] = note(decoded, images[index])
    return images, bad


def fit_images(
    images: Sequence[Images],
    size: int | str,
    preprocess: Preprocess | str = "",
    columns: Mapping[str, NDArray[Any]] | None = None,
) -> Images:
    """(n, H, W, 3) of RGB images of any sizes, as `read_images` makes them of files that hold these pixels.

    columns: each (n,), those that the preprocessing reads. Raises TrainableError.
    """
    steps = as_preprocess(preprocess)
    needed = steps.columns_in(columns)
    fitted = np.zeros((len(images), *size_of(size), 3), np.uint8)
    for index, image in enumerate(images):
        row = {name: float(column[index]) for name, column in needed.items()}
        fitted[index] = _fitted(Decoded(np.ascontiguousarray(image)), size, steps, row)
    return fitted


def unreadable(bad: Sequence[Unreadable], total: int, root: Path) -> ImageReadError:
    """One error that lists what cannot be read, and why."""
    listed = ", ".join(f"{on_one_line(item.path)} ({item.reason})" for item in bad[:LISTED])
    more = f" and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
    way_out = f"(under {root}); replace these files or drop their rows from the manifest"
    if root == Path():  # no manifest: files that are to be predicted
        way_out = "replace these files or leave them out"
    return ImageReadError(f"{len(bad)} of {total} images cannot be read: {listed}{more}\n{way_out}")

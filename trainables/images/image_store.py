"""Each image decoded and resized once per node, into one memory-mapped array that all processes share.

The array lies in the dataset's cache folder as a plain .npy file (n, H, W, 3) uint8 RGB, in the order of the
dataset's rows. Its name is made of the dataset's fingerprint, the size, the preprocessing and the columns
that this reads; beside it a small JSON file remembers the size and time of every image file, so that `build`
notices images that were changed in place, and a digest of their contents, so that it tells those from mere
copies: machines that share the folder over a network don't replace each other's store.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ImageReadError, StorageError, TrainableError
from trainables.images.image_digests import (
    REMEMBERED,
    contents_digest,
    cores,
    file_digest,
    files_digest,
    joined,
    known_of,
    part_of,
    write_text,
)
from trainables.images.preprocess import Preprocess, as_preprocess, size_of
from trainables.prefetch import in_order, slices

Images = NDArray[np.uint8]
VERSION = 1  # of decoding and resizing: another number makes other stores
CHUNK = 64  # images one thread decodes before it reports
LISTED = 20  # paths an error names


def read_image(
    path: Path, size: int | str, preprocess: Preprocess | str = "", row: Mapping[str, float] | None = None
) -> Images | None:
    """The image as (H, W, 3) uint8 RGB; None where it is missing, truncated or no image.

    Preprocessed, then squeezed to the size. Pixels are averaged when shrinking and interpolated when
    enlarging. row: the columns that the preprocessing reads. Raises TrainableError as the preprocessing does.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if not data or _is_truncated(data):
        return None
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if decoded is None:
        return None
    image = as_preprocess(preprocess)(np.asarray(decoded, np.uint8), row or {})
    height, width = size_of(size)
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def _is_truncated(data: bytes) -> bool:
    """A JPEG without its end marker: the decoder would fill the missing part with grey and say nothing."""
    return data.startswith(b"\xff\xd8") and data.find(b"\xff\xd9", _start_of_scan(data)) < 0


def _start_of_scan(data: bytes) -> int:
    """Where a JPEG's picture begins: after its headers, whose thumbnails have end markers of their own."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def read_images(
    paths: Sequence[str],
    root: Path,
    size: int | str,
    preprocess: Preprocess | str = "",
    columns: Mapping[str, NDArray[Any]] | None = None,
) -> tuple[Images, list[str]]:
    """Images (n, H, W, 3), and the paths that could not be read (their rows are zero).

    columns: each (n,), those of the manifest that the preprocessing reads. Raises TrainableError.
    """
    steps = as_preprocess(preprocess)
    needed = steps.columns_in(columns)
    images = np.zeros((len(paths), *size_of(size), 3), np.uint8)
    bad = []
    for index, path in enumerate(paths):
        row = {name: float(column[index]) for name, column in needed.items()}
        try:
            image = read_image(root / path, size, steps, row)
        except TrainableError as error:
            raise TrainableError(f"{path}: {error}") from error
        if image is None:
            bad.append(path)
        else:
            images[index] = image
    return images, bad


def unreadable(bad: Sequence[str], total: int, root: Path) -> ImageReadError:
    """One error that lists what cannot be read."""
    listed = ", ".join(f"{path}{'' if (root / path).exists() else ' (missing)'}" for path in bad[:LISTED])
    more = f" and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
    return ImageReadError(
        f"{len(bad)} of {total} images cannot be read: {listed}{more}\n"
        f"(under {root}); replace these files or drop their rows from the manifest"
    )


def store_path(dataset: Dataset, size: int | str, preprocess: str = "") -> Path:
    """Where the images of this dataset lie, whether they are there yet or not. Raises TrainableError."""
    height, width = size_of(size)
    shape = str(height) if height == width else f"{height}x{width}"
    steps = as_preprocess(preprocess)
    name = hashlib.sha256(f"{VERSION} {dataset.fingerprint} {shape}".encode())
    name.update("\n".join(dataset.paths).encode())
    if steps.steps:
        name.update(f"\n{steps.text}".encode())
    for column, values in steps.columns_in(dataset.columns).items():
        name.update(f"\n{column} ".encode() + values.tobytes())
    return Path(dataset.cache_dir) / f"images-{name.hexdigest()[:20]}-{shape}px.npy"


def open_store(dataset: Dataset, size: int | str, preprocess: str = "") -> Images:
    """The shared array (n, H, W, 3), read-only; builds it where `build_store` was not called.

    Raises ImageReadError, StorageError, TrainableError.
    """
    path = store_path(dataset, size, preprocess)
    if not path.exists():
        build_store(dataset, size, preprocess=preprocess)
    images: Images = np.load(path, mmap_mode="r", allow_pickle=False)
    return images


def build_store(
    dataset: Dataset, size: int | str, progress: Progress | None = None, preprocess: str = ""
) -> Path:
    """Decodes every image, unless an up-to-date store is there. Safe when several processes do it at once.

    Raises ImageReadError (listing all that cannot be read), TrainableError (a size, a preprocessing or a box
    that cannot be used) and StorageError (no space); then no file is left.
    """
    path = store_path(dataset, size, preprocess)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = path.with_suffix(".json")
    with FileLock(f"{path}.lock"):
        known, now = known_of(path, state), files_digest(dataset)
        if now not in known["files"]:
            if known["contents"] is None or known["contents"] != contents_digest(dataset, progress):
                contents = _publish(path, state, dataset, size, as_preprocess(preprocess), progress)
                known = {"files": [], "contents": contents}
            files = [*known["files"][-REMEMBERED:], now]
            write_text(state, json.dumps({**known, "files": files}))
    if progress is not None:
        progress(len(dataset.paths), len(dataset.paths))
    return path


def _publish(
    path: Path, state: Path, dataset: Dataset, size: int | str, steps: Preprocess, progress: Progress | None
) -> str:
    """The digest of the contents it was made of."""
    part = part_of(path)
    try:
        contents = _fill(part, dataset, size, steps, progress)
        state.unlink(missing_ok=True)
        part.replace(path)
        return contents
    finally:
        part.unlink(missing_ok=True)


def _fill(
    part: Path, dataset: Dataset, size: int | str, preprocess: Preprocess, progress: Progress | None
) -> str:
    root, total = Path(dataset.root), len(dataset.paths)
    columns = preprocess.columns_in(dataset.columns)
    images = _allocate(part, (total, *size_of(size), 3))
    chunks = slices(total, CHUNK)

    digests = [b""] * total

    def decode(step: int) -> list[str]:
        rows = chunks[step]
        digests[rows] = [file_digest(root / path) for path in dataset.paths[rows]]
        own = {name: column[rows] for name, column in columns.items()}
        images[rows], bad = read_images(dataset.paths[rows], root, size, preprocess, own)
        return bad

    bad: list[str] = []
    threads = cores()
    with ThreadPoolExecutor(threads) as pool:
        for done, found in enumerate(in_order(decode, len(chunks), pool, ahead=2 * threads)):
            bad += found
            if progress is not None:
                progress(min((done + 1) * CHUNK, total), total)
    if bad:
        raise unreadable(bad, total, root)
    images.flush()
    return joined(digests)


def _allocate(part: Path, shape: tuple[int, ...]) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    """An empty .npy file with its space reserved: a full disk must be an error here, not a SIGBUS later."""
    images = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
    try:
        with part.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            gigabytes = part.stat().st_size / 1e9
            raise StorageError(
                f"{part.parent}: no room for {gigabytes:.1f} GB of decoded images; free some space"
            ) from error
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot reserve space
            raise
    return images

"""Each image decoded and resized once per node, into one memory-mapped array that all processes share.

The array lies in the dataset's cache folder as a plain .npy file (n, size, size, 3) uint8 RGB, in the order
of the dataset's rows. Its name is made of the dataset's fingerprint and the size; beside it a small JSON file
remembers the size and time of every image file, so that `build` notices images that were changed in place.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from orchestrator.errors import ImageReadError, StorageError
from orchestrator.trial import Dataset, Progress
from trainables.batches import in_order, slices

Images = NDArray[np.uint8]
VERSION = 1  # of decoding and resizing: another number makes other stores
CHUNK = 64  # images one thread decodes before it reports
LISTED = 20  # paths an error names


def read_image(path: Path, size: int) -> Images | None:
    """The image as (size, size, 3) uint8 RGB; None where it is missing, truncated or no image.

    Squeezed to a square: crops are the manifest's business. Pixels are averaged when shrinking and
    interpolated when enlarging.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if not data or _is_truncated(data):
        return None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        return None
    shrinks = min(image.shape[:2]) >= size
    resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def _is_truncated(data: bytes) -> bool:
    """A JPEG without its end marker: the decoder would fill the missing part with grey and say nothing."""
    return data.startswith(b"\xff\xd8") and data.find(b"\xff\xd9", _start_of_scan(data)) < 0


def _start_of_scan(data: bytes) -> int:
    """Where a JPEG's picture begins: after its headers, whose thumbnails have end markers of their own."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def read_images(paths: Sequence[str], root: Path, size: int) -> tuple[Images, list[str]]:
    """Images (n, size, size, 3), and the paths that could not be read (their rows are zero)."""
    images = np.zeros((len(paths), size, size, 3), np.uint8)
    bad = []
    for row, path in enumerate(paths):
        image = read_image(root / path, size)
        if image is None:
            bad.append(path)
        else:
            images[row] = image
    return images, bad


def unreadable(bad: Sequence[str], total: int, root: Path) -> ImageReadError:
    """One error that lists what cannot be read."""
    listed = ", ".join(f"{path}{'' if (root / path).exists() else ' (missing)'}" for path in bad[:LISTED])
    more = f" and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
    return ImageReadError(
        f"{len(bad)} of {total} images cannot be read: {listed}{more}\n"
        f"(under {root}); replace these files or drop their rows from the manifest"
    )


def store_path(dataset: Dataset, size: int) -> Path:
    """Where the images of this dataset at this size lie, whether they are there yet or not."""
    name = hashlib.sha256(f"{VERSION} {dataset.fingerprint} {size}".encode())
    name.update("\n".join(dataset.paths).encode())
    return Path(dataset.cache_dir) / f"images-{name.hexdigest()[:20]}-{size}px.npy"


def open_store(dataset: Dataset, size: int) -> Images:
    """The shared array (n, size, size, 3), read-only; builds it where `build_store` was not called.

    Raises ImageReadError, StorageError.
    """
    path = store_path(dataset, size)
    if not path.exists():
        build_store(dataset, size)
    images: Images = np.load(path, mmap_mode="r", allow_pickle=False)
    return images


def build_store(dataset: Dataset, size: int, progress: Progress | None = None) -> Path:
    """Decodes every image, unless an up-to-date store is there. Safe when several processes do it at once.

    Raises ImageReadError (listing all that cannot be read) and StorageError (no space); then no file is left.
    """
    path = store_path(dataset, size)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = path.with_suffix(".json")
    with FileLock(f"{path}.lock"):
        files = _files_digest(dataset)
        if not (path.exists() and state.exists() and json.loads(state.read_text()) == {"files": files}):
            part = path.with_suffix(f".{os.getpid()}.part")
            try:
                _fill(part, dataset, size, progress)
                state.unlink(missing_ok=True)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            _write(state, json.dumps({"files": files}))
    if progress is not None:
        progress(len(dataset.paths), len(dataset.paths))
    return path


def _fill(part: Path, dataset: Dataset, size: int, progress: Progress | None) -> None:
    root, total = Path(dataset.root), len(dataset.paths)
    images = _allocate(part, (total, size, size, 3))
    chunks = slices(total, CHUNK)

    def decode(step: int) -> list[str]:
        rows = chunks[step]
        images[rows], bad = read_images(dataset.paths[rows], root, size)
        return bad

    bad: list[str] = []
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        for done, found in enumerate(in_order(decode, len(chunks), pool, ahead=2 * threads)):
            bad += found
            if progress is not None:
                progress(min((done + 1) * CHUNK, total), total)
    if bad:
        raise unreadable(bad, total, root)
    images.flush()


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


def _files_digest(dataset: Dataset) -> str:
    """Of the size and time of every image file; a missing one counts as such."""
    digest = hashlib.sha256()
    root = Path(dataset.root)
    for path in dataset.paths:
        try:
            stat = (root / path).stat()
            digest.update(f"{stat.st_size} {stat.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(b"missing\n")
    return digest.hexdigest()


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)

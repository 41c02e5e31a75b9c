"""The image files a study was begun with: their sizes, and the contents of as many as are quickly read.

Kept with the study as images.parquet, so that every machine that uses the images, and every later start, can
be checked to hold the same ones.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import ImageFiles
from orchestrator.core.errors import ManifestError
from orchestrator.core.file_digest import sampled_sha256, sha256_of_file
from orchestrator.core.text import shortened
from orchestrator.data.table_files import read_parquet, write_parquet, written_record

CONTENTS = 2**27
"""Bytes whose contents are compared: all images where they are no more than that together, else a sample."""
_RESTORE = (
    "restore it from a copy; a study whose record is deleted goes on, but only asks whether its images are "
    "there, not whether they are the same"
)
_THREADS = 8  # a network drive answers many questions at once
_CHUNK = 64  # files one thread looks at before it reports
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Differences:
    """Rows whose file is not there, and rows whose file is another one; both in order."""

    missing: tuple[int, ...]
    changed: tuple[int, ...]


def record_images(
    root: Path, paths: Sequence[str], seed: int, progress: Progress | None = None
) -> ImageFiles:
    """Looks at the files as they are here. seed: of the sample. Raises ManifestError where one is missing."""
    sizes = _sizes(root, paths, progress)
    missing = [paths[row] for row in np.flatnonzero(sizes < 0).tolist()]
    if missing:
        raise ManifestError(
            f"{len(missing)} of {len(paths)} images are not under {root}: {shortened(missing)}; "
            "correct the paths or take the rows out"
        )
    rows = sample(sizes, seed)
    digests = _digests(root, [paths[row] for row in rows], progress)
    return ImageFiles(platform.node(), str(root), sizes, dict(zip(rows, digests, strict=True)))


def sample(sizes: NDArray[np.int64], seed: int) -> list[int]:
    """Rows whose contents are compared: drawn by `seed` until they hold `CONTENTS` bytes; one at least."""
    order = np.random.default_rng(seed).permutation(len(sizes))
    fits = np.cumsum(sizes[order]) <= CONTENTS
    return sorted(order[: max(1, int(fits.sum()))].tolist())


def compare(
    root: Path, paths: Sequence[str], known: ImageFiles | None, progress: Progress | None = None
) -> Differences:
    """How the files here differ from the known ones, or which are missing where none are known."""
    sizes = _sizes(root, paths, progress)
    missing = sizes < 0
    if known is None:
        return Differences(tuple(np.flatnonzero(missing).tolist()), ())
    changed = ~missing & (sizes != known.sizes)
    # Only files that are there with the right size are read: the others are wrong already.
    rows = [row for row in sorted(known.digests) if not (missing[row] or changed[row])]
    found = _digests(root, [paths[row] for row in rows], progress)
    changed[[row for row, digest in zip(rows, found, strict=True) if digest != known.digests[row]]] = True
    return Differences(tuple(np.flatnonzero(missing).tolist()), tuple(np.flatnonzero(changed).tolist()))


def content_digests(root: Path, paths: Sequence[str]) -> list[str]:
    """What tells images apart by their contents (`sampled_sha256`, hex); empty for an unreadable file."""
    return list(of_each(_sampled, root, paths, None))


def write_files(path: Path, files: ImageFiles) -> None:
    """As Parquet, whole or not at all. Raises StorageError."""
    digests = [files.digests.get(row) for row in range(len(files.sizes))]
    frame = pd.DataFrame({"bytes": files.sizes, "sha256": pd.Series(digests, dtype=object)})
    write_parquet(path, frame, {"host": files.host, "root": files.root})


def read_files(path: Path, rows: int) -> ImageFiles | None:
    """Inverse of `write_files`; None where there is no such file: a study of before there was one.

    Raises ManifestError for a file that is torn, of other make, or of another number of rows.
    """
    if not path.exists():
        return None
    frame, metadata = read_parquet(path, _RESTORE)
    record = written_record(metadata)
    if record is None or "root" not in record or len(frame) != rows:
        raise ManifestError(f"{path} is not the record of this study's {rows} images; {_RESTORE}")
    known = {row: str(text) for row, text in enumerate(frame["sha256"]) if isinstance(text, str)}
    return ImageFiles(record["host"], record["root"], frame["bytes"].to_numpy(np.int64), known)


# ---- many files at once ---------------------------------------------------------------------------


def _sizes(root: Path, paths: Sequence[str], progress: Progress | None) -> NDArray[np.int64]:
    """(n,) bytes; -1: no file there."""
    return np.array(list(of_each(_size, root, paths, progress)), np.int64)


def _digests(root: Path, paths: Sequence[str], progress: Progress | None) -> list[str]:
    """SHA-256 (hex); empty for a file that cannot be read."""
    return list(of_each(_digest, root, paths, progress))


def of_each(
    look: Callable[[str], _Found], root: Path, paths: Sequence[str], progress: Progress | None
) -> Iterator[_Found]:
    """What `look` finds at each file's whole path, in order; progress counts files."""
    base, done = str(root), 0
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]

    def look_at(chunk: Sequence[str]) -> list[_Found]:
        return [look(f"{base}/{path}") for path in chunk]

    with ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(look_at, chunks):
            yield from found
            done += len(found)
            if progress is not None:
                progress(done, len(paths))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - no Path for each of many files
    except OSError:
        return -1


def _sampled(path: str) -> str:
    try:
        return sampled_sha256(path).hex()
    except OSError:
        return ""


def _digest(path: str) -> str:
    try:
        return sha256_of_file(path).hex()
    except OSError:
        return ""

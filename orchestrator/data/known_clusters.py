"""Which images `check` found to be copies of each other, kept for whoever uses the same files later.

A row of the table is an image: where it lies, its size and time, and its codes; the table's record has the
near duplicates, as pairs of codes. An image that was changed since, or moved, is not known any more.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.errors import ManifestError
from orchestrator.data.identical_files import FileState, codes_of, file_states
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.table_files import read_parquet, write_parquet, written_record

FOLDER = "clusters"
"""Below the cache of `--runs`."""
_COLUMNS = ["path", "size", "time", "exact", "cluster"]
_Image = tuple[str, int, int]  # where it lies, its size and its time


@dataclass(frozen=True)
class KnownClusters:
    """Of n rows; one that is not known is alone under its codes."""

    exact: NDArray[np.int64]  # (n,) as of `Duplicates`
    clusters: NDArray[np.int64]  # (n,) as of `Duplicates`
    known: int  # rows that were looked at
    rule: str  # which similarity counted as near: a sentence
    precision: float | None  # as of `Duplicates`
    near_pairs: NDArray[np.int64]  # (m, 2) as of `Duplicates`; of rows with one code in `exact` the first


def remember_clusters(cache: Path, root: Path, paths: Sequence[str], found: Duplicates) -> None:
    """cache: the one of `--runs`; paths (n,) relative to root, rows as of `found`. Raises StorageError."""
    images = _images(root, paths)
    frame = pd.DataFrame(images, columns=_COLUMNS[:3]).assign(exact=found.exact, cluster=found.clusters)
    name = hashlib.sha256("\n".join(sorted(place for place, _, _ in images)).encode()).hexdigest()[:20]
    near = found.exact[found.near_pairs].tolist()
    record = {"rule": found.rule, "precision": found.precision, "near": near}
    write_parquet(cache / FOLDER / f"{name}.parquet", frame, record)


def known_clusters(cache: Path, root: Path, paths: Sequence[str]) -> KnownClusters | None:
    """What was found of most of these files; None where at most one of them is known."""
    tables = sorted((cache / FOLDER).glob("*.parquet"))
    if not tables:
        return None
    images = _images(root, paths)
    found = [known for table in tables if (known := _of_table(table, images)) is not None]
    best = max(found, key=lambda known: known.known, default=None)
    return best if best is not None and best.known > 1 else None


def _images(root: Path, paths: Sequence[str]) -> list[_Image]:
    base = Path(os.path.realpath(root)).as_posix()
    states: Sequence[FileState] = file_states(root, paths)
    return [(posixpath.normpath(f"{base}/{path}"), *state) for path, state in zip(paths, states, strict=True)]


def _of_table(path: Path, images: Sequence[_Image]) -> KnownClusters | None:
    """None for what is torn or of other make: it can be found anew."""
    try:
        frame, metadata = read_parquet(path)
        rule, precision, near = _said(written_record(metadata))
        codes = _codes_in(frame)
    except (ManifestError, KeyError, TypeError, ValueError, OverflowError):
        return None
    of_row = [codes.get(image) for image in images]
    exact, clusters = (
        codes_of(image if found is None else found[at] for image, found in zip(images, of_row, strict=True))
        for at in (0, 1)
    )
    known = sum(found is not None for found in of_row)
    near_pairs = _present(near, [None if found is None else found[0] for found in of_row])
    return KnownClusters(exact, clusters, known, rule, precision, near_pairs)


def _said(record: dict[str, Any] | None) -> tuple[str, float | None, list[tuple[int, int]]]:
    """The rule, the precision and the near duplicates. Raises KeyError, TypeError, ValueError, OverflowError
    for a record of other make, such as one without near duplicates: of a time when any two that are alike
    within a group counted as such."""
    if record is None:
        raise TypeError("no record")
    rule, precision = record["rule"], record["precision"]
    if not isinstance(rule, str):
        raise TypeError(f"rule {rule!r} is no text")
    if isinstance(precision, bool) or not isinstance(precision, int | float | None):
        raise TypeError(f"precision {precision!r} is no number")
    return rule, precision, [(int(one), int(other)) for one, other in record["near"]]


def _codes_in(frame: pd.DataFrame) -> dict[_Image, tuple[int, int]]:
    """The codes of each image. Raises KeyError, TypeError, ValueError, OverflowError for other make."""
    rows = zip(*(frame[name].tolist() for name in _COLUMNS), strict=True)
    return {
        (str(place), int(size), int(time)): (int(exact), int(cluster))
        for place, size, time, exact, cluster in rows
    }


def _present(near: Sequence[tuple[int, int]], codes: Sequence[int | None]) -> NDArray[np.int64]:
    """(m, 2) the pairs of codes as rows, of each code the first; without pairs of which a code is missing."""
    first: dict[int, int] = {}
    for row, code in enumerate(codes):
        if code is not None:
            first.setdefault(code, row)
    rows = [sorted((first[one], first[other])) for one, other in near if one in first and other in first]
    return np.array(rows, np.int64).reshape(-1, 2)

"""Which rows of a study are copies of each other, from what is known already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import StorageError
from orchestrator.data.identical_files import identical_files
from orchestrator.data.known_clusters import KnownClusters, known_clusters
from orchestrator.data.manifest import Manifest
from orchestrator.data.quality.joined_groups import join_codes

_BY_BYTES = "Files with the same bytes; nothing looked at what they show."


def copies_of(manifest: Manifest, cache: Path) -> KnownClusters | None:
    """Of its rows; None where no two are known to be alike. cache: the one of `--runs`, which a search of
    these files has filled with what tells their contents.

    A row that names the same image as another is no copy of it. Raises OSError where what `check` found is
    there and cannot be read.
    """
    paths = [str(path) for path in manifest.frame["path"]]
    exact = _identical(manifest.root, paths, cache)
    known = known_clusters(cache, manifest.root, paths)
    if known is not None:
        codes = join_codes(exact, known.exact)
        return replace(known, exact=codes, clusters=join_codes(codes, known.clusters))
    if len(np.unique(exact)) == len(set(paths)):
        return None
    return KnownClusters(exact, exact, len(paths), _BY_BYTES, None, np.zeros((0, 2), np.int64))


def _identical(root: Path, paths: Sequence[str], cache: Path) -> NDArray[np.int64]:
    """(n,) codes. A cache that cannot be read or written only saves no work."""
    if cache.is_dir():
        try:
            return identical_files(root, paths, cache / "contents")
        except (StorageError, OSError):
            pass
    return identical_files(root, paths)

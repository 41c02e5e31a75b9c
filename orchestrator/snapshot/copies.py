"""Which rows of a study are copies of each other, from what is known already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestrator.data.identical_files import identical_files
from orchestrator.data.known_clusters import KnownClusters, known_clusters
from orchestrator.data.manifest import Manifest
from orchestrator.data.quality.joined_groups import join_codes

_BY_BYTES = "Files with the same bytes; nothing looked at what they show."


def copies_of(manifest: Manifest, cache: Path) -> KnownClusters | None:
    """Of its rows; None where no two are known to be alike. cache: the one of `--runs`, which a search of
    these files has filled with what tells their contents.

    A row that names the same image as another is no copy of it. Raises StorageError.
    """
    paths = [str(path) for path in manifest.frame["path"]]
    exact = identical_files(manifest.root, paths, cache / "contents" if cache.is_dir() else None)
    known = known_clusters(cache, manifest.root, paths)
    if known is not None:
        codes = join_codes(exact, known.exact)
        return replace(known, exact=codes, clusters=join_codes(codes, known.clusters))
    if len(np.unique(exact)) == len(set(paths)):
        return None
    return KnownClusters(exact, exact, len(paths), _BY_BYTES, None, np.zeros((0, 2), np.int64))

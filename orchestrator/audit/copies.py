"""Which rows show copies of one image, where an earlier `check` found that out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from orchestrator.audit.evidence import Evidence
from orchestrator.core.text import counted
from orchestrator.data.known_clusters import KnownClusters, known_clusters


def copies_of(evidence: Evidence, root: Path, cache: Path) -> tuple[KnownClusters | None, str]:
    """Of each row, None where nobody looked; and a line that says so.

    root: of the images; cache: the one of --runs, where `check` keeps what it found.
    """
    found = known_clusters(cache, root, evidence.frame["path"].astype(str).tolist())
    if found is None:
        return None, (
            "copies of images: not known, so their labels are not compared; python -m orchestrator.check "
            "--data ... finds them, after which this command uses what it found"
        )
    sizes = np.bincount(np.unique(found.exact, return_inverse=True)[1].ravel())
    said = (
        f"copies of images: {counted(int(sizes[sizes > 1].sum()), 'row')} of {found.known} with an identical "
        f"one, {counted(len(found.near_pairs), 'pair')} of near duplicates"
    )
    return found, f"{said}; {found.rule}"

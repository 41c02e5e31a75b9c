"""Which rows show copies of one image, where an earlier `check` found that out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.audit.evidence import Evidence
from orchestrator.core.text import counted
from orchestrator.data.known_clusters import known_clusters


def copies_of(evidence: Evidence, root: Path, cache: Path) -> tuple[NDArray[np.int64] | None, str]:
    """(n,) the cluster of copies of each row, None where nobody looked; and a line that says so.

    root: of the images; cache: the one of --runs, where `check` keeps what it found.
    """
    found = known_clusters(cache, root, evidence.frame["path"].astype(str).tolist())
    if found is None:
        return None, (
            "copies of images: not known, so their labels are not compared; python -m orchestrator.check "
            "--data ... finds them, after which this command uses what it found"
        )
    sizes = np.bincount(np.unique(found.clusters, return_inverse=True)[1].ravel())
    said = f"copies of images: {counted(int(sizes[sizes > 1].sum()), 'row')} of {found.known} have one"
    return found.clusters, f"{said}; {found.rule}"

"""Folds that tear what `check` found to be near duplicates of each other."""

from __future__ import annotations

from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import FoldPlanError
from orchestrator.core.text import counted, shortened
from orchestrator.data.folds import FoldPlan
from orchestrator.data.known_clusters import known_clusters
from orchestrator.data.manifest import Manifest
from orchestrator.data.quality.crossing import at_odds, is_certain
from orchestrator.inputs.data_options import DataOptions


def look_for_torn_clusters(manifest: Manifest, plan: FoldPlan, options: DataOptions, say: Announce) -> None:
    """Raises FoldPlanError, or says a warning, by --torn-clusters and by how sure the clusters are."""
    paths = [str(path) for path in manifest.frame["path"]]
    known = None if options.data is None else known_clusters(options.runs / ".cache", manifest.root, paths)
    if known is None:
        return
    folds = [int(fold) if fold >= 0 else None for fold in plan.folds]
    torn = at_odds(known.clusters, folds)
    if not torn:
        return
    number = len({int(known.clusters[row]) for row, _ in torn})
    pairs = [
        f"{paths[one]} (fold {folds[one]}) = {paths[other]} (fold {folds[other]})" for one, other in torn
    ]
    found = (
        f"the folds tear {counted(number, 'cluster')} of near duplicates that check found: {shortened(pairs)}"
    )
    ways = "python -m orchestrator.check --write-groups FILE writes the data with such images in one group"
    if options.torn_clusters == "refuse" or (options.torn_clusters is None and is_certain(known.precision)):
        raise FoldPlanError(
            f"{found}; a model would be judged on pictures that it trained on.\n{ways}, for --data FILE; "
            "--torn-clusters warn keeps these folds"
        )
    say(f"warning: {found}; if they show the same, the score is too good, and {ways} ({known.rule})")

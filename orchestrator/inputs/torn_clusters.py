"""Folds that tear what `check` found to be near duplicates of each other."""

from __future__ import annotations

from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import FoldPlanError
from orchestrator.core.text import counted, shortened
from orchestrator.data.folds import EXTRA, FoldPlan
from orchestrator.data.known_clusters import known_clusters
from orchestrator.data.manifest import Manifest, joined_folds
from orchestrator.data.quality.crossing import clusters_at_odds, is_certain
from orchestrator.inputs.data_options import DataOptions


def look_for_torn_clusters(manifest: Manifest, plan: FoldPlan, options: DataOptions, say: Announce) -> None:
    """Raises FoldPlanError, or says a warning, by --torn-clusters and by how sure the clusters are."""
    paths = [str(path) for path in manifest.frame["path"]]
    known = None if options.data is None else known_clusters(options.runs / ".cache", manifest.root, paths)
    if known is None:
        return
    # Rows for one fold alone have labels that its models gave.
    bound = joined_folds(manifest.frame) >= 0
    folds = [None if one else int(fold) for one, fold in zip(bound, plan.folds, strict=True)]
    torn = clusters_at_odds(known, folds)
    if not torn:
        return
    number = len({int(known.clusters[row]) for row, _ in torn})
    pairs = [" ~ ".join(f"{paths[row]} ({_place(folds[row])})" for row in pair) for pair in torn]
    found = (
        f"the folds tear {counted(number, 'cluster')} of near duplicates that check found: {shortened(pairs)}"
    )
    ways = _ways_out(any(folds[row] == EXTRA for pair in torn for row in pair))
    if options.torn_clusters == "refuse" or (options.torn_clusters is None and is_certain(known.precision)):
        raise FoldPlanError(
            f"{found}; a model would be judged on pictures that it trained on.\n{ways}; --torn-clusters warn "
            "keeps these folds"
        )
    say(f"warning: {found}; if they show the same, the score is too good. {ways} ({known.rule})")


def _ways_out(always: bool) -> str:
    """always: whether some of the rows are trained on whatever is validated; no group of theirs helps."""
    if always:
        return "Take those that are always trained on out"
    return (
        "python -m orchestrator.check --write-groups FILE writes the data with such images in one group, for "
        "--data FILE"
    )


def _place(fold: int | None) -> str:
    return f"fold {fold}" if fold is not None and fold >= 0 else "always trained on"

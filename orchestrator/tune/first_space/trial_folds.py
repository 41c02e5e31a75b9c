"""How many folds the data really allow: tried, because groups and classes together decide it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from orchestrator.core.errors import FoldPlanError
from orchestrator.data.folds import build_fold_plan
from orchestrator.data.manifest import Manifest
from orchestrator.data.scalars import to_scalars, to_text
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.target_resolution import resolve_targets
from orchestrator.space import SearchSpace
from orchestrator.space.loading import load_space
from orchestrator.tune.first_space.group_guess import with_folds
from orchestrator.tune.first_space.proposal import Proposal
from orchestrator.tune.first_space.rendering import render


def with_folds_that_hold(proposal: Proposal, manifest: Manifest) -> Proposal:
    """The proposal with as many of its folds as the rows allow; as it is where they don't allow two.

    Raises ManifestError for labels that the proposed target refuses.
    """
    space = space_of(proposal)
    rows = resolve_targets(space, _grouped(manifest, space.group), DataOptions(), lambda _: None)
    for folds in range(space.folds, 1, -1):
        try:
            build_fold_plan(rows.manifest, folds, 0, rows.space.stratify)
        except FoldPlanError:
            continue
        return (
            proposal if folds == space.folds else replace(proposal, groups=with_folds(proposal.groups, folds))
        )
    return proposal


def space_of(proposal: Proposal) -> SearchSpace:
    """The space that the proposal's file will hold."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "proposed_space.py"
        path.write_text(render(proposal, []), encoding="utf-8")
        return load_space(path)


def _grouped(manifest: Manifest, column: str | None) -> Manifest:
    if column is None:
        return manifest
    groups = [to_text(cell) for cell in to_scalars(manifest.frame[column])]
    return replace(manifest, frame=manifest.frame.assign(group=pd.Series(groups, dtype=object)))

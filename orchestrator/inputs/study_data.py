"""All that a study is made of, from what the user named; `tune` and `check` read it alike."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.callbacks import Announce
from orchestrator.core.dataset import Dataset
from orchestrator.data.extra_rows import refuse_other_folds
from orchestrator.data.folds import FoldPlan, load_or_build
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.dataset import make_dataset
from orchestrator.inputs.rows import Rows, gather_rows, rows_line
from orchestrator.inputs.torn_clusters import look_for_torn_clusters
from orchestrator.space import SearchSpace


@dataclass(frozen=True)
class StudyData:
    space: SearchSpace  # whose targets know their classes
    rows: Rows  # the manifest, and where its rows came from
    plan: FoldPlan  # which of them is validated in which fold
    dataset: Dataset  # what fold runs see of both


def gather_data(options: DataOptions, space: SearchSpace, seed: int, say: Announce) -> StudyData:
    """Rows, folds and dataset, read and checked. seed: of the folds. Raises ManifestError, FoldPlanError."""
    rows = gather_rows(options, space, say)
    space = rows.space
    cache = options.runs / ".cache" / "folds"
    plan = load_or_build(cache, rows.manifest, space.folds, seed, space.stratify, space.fold_column)
    refuse_other_folds(rows.manifest, plan)
    look_for_torn_clusters(rows.manifest, plan, options, say)
    dataset = make_dataset(space, rows.manifest, plan, options.runs)
    say(rows_line(rows.manifest, dataset, space))
    return StudyData(space, rows, plan, dataset)

"""From a manifest and a fold plan to what fold runs may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.dataset import Dataset
from orchestrator.core.links import without_links
from orchestrator.core.metrics import check_folds
from orchestrator.core.text import counted
from orchestrator.core.trainable import Parameter, current_name
from orchestrator.data.extra_rows import dataset_folds
from orchestrator.data.folds import FoldPlan
from orchestrator.data.manifest import Manifest
from orchestrator.data.scalars import columns_of
from orchestrator.data.targets import factors_of
from orchestrator.space import SearchSpace
from orchestrator.space.condition import check_condition, condition_mask


def make_dataset(space: SearchSpace, manifest: Manifest, plan: FoldPlan, runs: Path) -> Dataset:
    """What fold runs may see of a manifest whose rows all have role train or extra.

    Raises ManifestError, FoldPlanError for a fold that cannot be scored, MetricError for what an own metric
    does on its labels.
    """
    mask = condition_mask(space, manifest.frame)
    check_condition(space, mask, plan.folds)
    dataset = Dataset(
        root=str(manifest.root),
        paths=tuple(manifest.frame["path"]),
        labels=space.target.encode(manifest.frame),
        folds=dataset_folds(manifest, plan),
        classes=tuple(space.target.classes),
        metric=space.metric,
        mode=space.mode,
        fingerprint=manifest.fingerprint,
        cache_dir=str(without_links(runs / ".cache" / "images")),
        factors=factors_of(space.target),
        columns=columns_of(manifest.frame),
        condition_mask=mask,
    )
    judged = slice(None) if mask is None else mask
    check_folds(space.metric, dataset.labels[judged], dataset.folds[judged], dataset.task)
    return dataset


def values_of(space: SearchSpace, accepted: Mapping[str, Parameter]) -> dict[str, Sequence[Any]]:
    """Each parameter the trainable accepts -> the values it can take."""
    values: dict[str, Sequence[Any]] = {name: (item.default,) for name, item in accepted.items()}
    for name, domain in space.domains.items():
        values[current_name(name, accepted)] = domain.finite() or domain.values
    return values


def size(space: SearchSpace) -> str:
    parts = (counted(space.trials, "trial"), counted(space.folds, "fold"), counted(space.max_t, "epoch"))
    return " x ".join(parts)

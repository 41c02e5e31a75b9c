"""What a user asks of a search, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.budget import counted
from orchestrator.cascade import check_within, within_of
from orchestrator.cells import columns_of
from orchestrator.execution.backends import Backend
from orchestrator.extra_rows import dataset_folds
from orchestrator.folds import FoldPlan
from orchestrator.manifest import Manifest
from orchestrator.space import SearchSpace
from orchestrator.study import CompleteTrial, Study
from orchestrator.targets import factors_of
from orchestrator.trial import Dataset, Parameter

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What a user asked for; None: not said. time_budget: seconds."""

    space: str | None = None
    data: str | None = None
    data_root: Path | None = None
    label_fixes: Path | None = None
    extra: Sequence[Path] = ()
    study: str | None = None
    runs: Path = Path("runs")
    scale: str | None = None
    trials: int | None = None
    max_epochs: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    rule: str | None = None
    sampler: str | None = None
    tries: Sequence[Mapping[str, Any]] = ()
    time_budget: float | None = None
    max_fold_epochs: int | None = None
    storage: str | None = None
    resume: bool = False
    inline: bool = False
    address: str | None = None
    gpus_per_fold_run: str = "auto"
    cpus_per_fold_run: int | None = None
    wandb: str | None = None
    private: bool = False


@dataclass(frozen=True)
class Result:
    study: Path
    complete: list[CompleteTrial]
    seconds: float


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, after everything was saved; `study` is what to resume.

    budget_spent: it is for good, so no other can be given.
    """

    def __init__(self, study: Path, budget_spent: bool = False) -> None:
        super().__init__(str(study))
        self.study, self.budget_spent = study, budget_spent


@dataclass(frozen=True)
class Ready:
    """A study whose lock is held, on a backend that has seen its data."""

    study: Study
    space: SearchSpace
    dataset: Dataset
    backend: Backend


def make_dataset(space: SearchSpace, manifest: Manifest, plan: FoldPlan, runs: Path) -> Dataset:
    """What fold runs may see of a manifest whose rows all have role train or extra.

    Raises ManifestError, and FoldPlanError for a fold without a row to score.
    """
    within = within_of(space, manifest.frame)
    check_within(space, within, plan.folds)
    return Dataset(
        root=str(manifest.root),
        paths=tuple(manifest.frame["path"]),
        labels=space.target.encode(manifest.frame),
        folds=dataset_folds(manifest, plan),
        classes=tuple(space.target.classes),
        metric=space.metric,
        mode=space.mode,
        fingerprint=manifest.fingerprint,
        cache_dir=str((runs / ".cache" / "images").resolve()),
        factors=factors_of(space.target),
        columns=columns_of(manifest.frame),
        within=within,
    )


def values_of(space: SearchSpace, accepted: Mapping[str, Parameter]) -> dict[str, Sequence[Any]]:
    """Each parameter the trainable accepts -> the values it can take."""
    values: dict[str, Sequence[Any]] = {name: (item.default,) for name, item in accepted.items()}
    values.update({name: domain.finite() or domain.values for name, domain in space.domains.items()})
    return values


def size(space: SearchSpace) -> str:
    parts = (counted(space.trials, "trial"), counted(space.folds, "fold"), counted(space.max_t, "epoch"))
    return " x ".join(parts)

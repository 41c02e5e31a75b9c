"""What a user asks of a search, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.core.dataset import Dataset
from orchestrator.execution.backends import Backend
from orchestrator.inputs.data_options import DataOptions
from orchestrator.space import SearchSpace
from orchestrator.study.study import CompleteTrial, Study


@dataclass(frozen=True)
class Request(DataOptions):
    """What a user asked of a search; None: not said. time_budget: seconds."""

    space: str | None = None
    study: str | None = None
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
class PreparedStudy:
    """A study whose lock is held, on a backend that has seen its data."""

    study: Study
    space: SearchSpace
    dataset: Dataset
    backend: Backend

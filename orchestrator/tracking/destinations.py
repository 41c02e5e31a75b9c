"""Where the user wants a study to be sent: which trackers, and where each of them is."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.core.errors import InputError
from orchestrator.tracking.position import FILE, last_project, remembered

MLFLOW_URI = "MLFLOW_TRACKING_URI"
HERE = ""
"""TensorBoard's files in the study's folder; the MLflow that MLFLOW_TRACKING_URI names."""


@dataclass(frozen=True)
class Extra:
    """What a tracker needs to be installed."""

    title: str
    module: str
    install: str  # what pip is given

    @property
    def is_missing(self) -> bool:
        return importlib.util.find_spec(self.module) is None

    @property
    def words(self) -> str:
        return f"it is not installed (pip install {self.install})"


EXTRAS = {
    "wandb": Extra("wandb", "wandb", "'wandb>=0.21,<1'"),
    "tensorboard": Extra("tensorboard", "tensorboard", "'tensorboard>=2.16,<3'"),
    "mlflow": Extra("mlflow", "mlflow", "'mlflow-skinny>=2.14,<4'"),
}
"""By the field of `Destinations` that asks for it."""


@dataclass(frozen=True)
class Destinations:
    """None where a tracker was not asked for."""

    wandb: str | None = None  # the project
    wandb_fold_runs: bool = False  # whether each fold run has a W&B run of its own besides
    tensorboard: str | None = None  # the folder below which a study's files lie, or HERE
    mlflow: str | None = None  # the server's address, a database or a folder, or HERE

    def __post_init__(self) -> None:
        if self.wandb_fold_runs and self.wandb is None:
            raise InputError("--wandb-fold-runs sends fold runs to W&B; give it with --wandb PROJECT")
        if self.mlflow == HERE and not os.environ.get(MLFLOW_URI):
            raise InputError(f"--mlflow alone means {MLFLOW_URI}, which is not set; set it or name a place")
        if self.mlflow and urlsplit(self.mlflow).password:
            raise InputError(
                "--mlflow names a password, which would be kept in the study's folder; set "
                f"{MLFLOW_URI} to that address and give --mlflow alone"
            )
        for name in ("tensorboard", "mlflow"):
            if value := getattr(self, name):
                object.__setattr__(self, name, _absolute(value))

    def __bool__(self) -> bool:
        return any(True for _ in self.asked())

    def asked(self) -> Iterator[str]:
        """Keys of EXTRAS."""
        return (name for name in EXTRAS if getattr(self, name) is not None)

    def without(self, name: str) -> Destinations:
        rest = {key: value for key, value in self.to_json().items() if not key.startswith(name)}
        return Destinations(**rest)

    def words(self) -> list[str]:
        """Of the command `tracking` that sends there."""
        found = [] if self.wandb is None else ["--project", self.wandb]
        found += ["--fold-runs"] if self.wandb_fold_runs else []
        for name in ("tensorboard", "mlflow"):
            value = getattr(self, name)
            found += [] if value is None else [f"--{name}"] if value == HERE else [f"--{name}", value]
        return found

    def described(self, mode: str = "") -> str:
        """mode: of W&B."""
        own = {
            "wandb": f"W&B project {self.wandb}{mode and f' ({mode})'}",
            "tensorboard": f"TensorBoard files in {self.tensorboard or 'its folder'}",
            "mlflow": f"MLflow at {self.mlflow or MLFLOW_URI}",
        }
        return ", ".join(own[name] for name in self.asked())

    def to_json(self) -> dict[str, Any]:
        """Without what was not asked for."""
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in found.items() if value not in (None, False)}


def _absolute(place: str) -> str:
    """Means the same wherever a later command stands. Addresses of servers stay as they are."""
    scheme, found, path = place.partition(":///")
    if found and scheme == "sqlite":
        return f"{scheme}:///{Path(path).absolute()}"
    is_path = "://" not in place and not place.startswith("databricks")
    return str(Path(place).expanduser().absolute()) if is_path else place


def destinations_of(study: Path) -> Destinations:
    """Where a study was sent before. Raises InputError, StudyError."""
    known = remembered(study)
    if known is None:  # by version 0.3, which sent fold runs alone
        project = last_project(study)
        return Destinations(wandb=project, wandb_fold_runs=project is not None)
    return _from_json(known, study)


def _from_json(record: Mapping[str, Any], study: Path) -> Destinations:
    kinds = {"wandb": str, "wandb_fold_runs": bool, "tensorboard": str, "mlflow": str}
    known = {name: value for name, value in record.items() if name in kinds}
    wrong = [name for name, value in known.items() if not isinstance(value, kinds[name])]
    if wrong:
        value = known[wrong[0]]
        raise InputError(f"{study / FILE}: {wrong[0]} is {value!r}; delete it, then name the trackers again")
    return Destinations(**known)

"""A mirror for each tracker that a study is sent to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from orchestrator.core.callbacks import Announce
from orchestrator.tracking.contract import StudyTracker, digest_of_study
from orchestrator.tracking.destinations import HERE, MLFLOW_URI, Destinations
from orchestrator.tracking.journal import JournalState
from orchestrator.tracking.mlflow_runs import MlflowRuns
from orchestrator.tracking.position import Position
from orchestrator.tracking.results import Results
from orchestrator.tracking.settings import DEFAULT_PROJECT, Mode, server
from orchestrator.tracking.study_mirror import StudyMirror
from orchestrator.tracking.tensorboard_files import TensorBoardFiles
from orchestrator.tracking.wandb_fold_runs import FoldRunMirror
from orchestrator.tracking.wandb_runs import WandbRuns
from orchestrator.tracking.wandb_study import WandbStudy


class Mirror(Protocol):
    """What keeps one destination in line with a study."""

    def pending(self) -> Sequence[object]:
        """What has not arrived."""

    def catch_up(self, after_each: Callable[[], None] = ...) -> None:
        """Sends what is new, where the destination can be reached. Raises OSError of the study's folder."""

    def close(self) -> None:
        """Sends what was kept back, and waits until it has arrived."""


def tensorboard_folder(study: Path, folder: str, name: str, started: float) -> Path:
    """Of a study alone; `folder` may hold those of others."""
    if folder == HERE:
        return study / "tensorboard"
    # A study from elsewhere could be named ../somewhere.
    return Path(folder) / f"{name.replace('/', '-')}-{digest_of_study(name, started)}"


def mirrors_for(
    study: Path, journal: JournalState, started: float, to: Destinations, mode: Mode, say: Announce
) -> list[Mirror]:
    """started: unix seconds when the study began. mode: of W&B.

    What lies on this machine comes first: it never waits for a server. Raises StudyError.
    """
    results = Results(study)

    def mirror(tracker: StudyTracker, position: Position) -> StudyMirror:
        return StudyMirror(journal, started, results, tracker, position, say)

    def made() -> Iterator[Mirror]:
        if to.tensorboard is not None:
            folder = tensorboard_folder(study, to.tensorboard, journal.header.name, started)
            position = Position(study, "", f"tensorboard {folder}", forget=not folder.exists())
            yield mirror(TensorBoardFiles(folder), position)
        if to.mlflow is not None:
            experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_PROJECT
            position = Position(study, "", f"mlflow {_place(to.mlflow)} {experiment}")
            yield mirror(MlflowRuns(to.mlflow or None, experiment), position)
        if to.wandb is not None and mode != "disabled":
            runs = WandbRuns(study, started, to.wandb, mode)
            place = server() if mode == "online" else "offline"
            yield mirror(WandbStudy(runs), Position(study, to.wandb, f"{place} study"))
            if to.wandb_fold_runs:
                yield FoldRunMirror(journal, runs, Position(study, to.wandb, place), say)

    return list(made())


def _place(uri: str) -> str:
    """The environment's address may hold a password, of which nothing is written down."""
    if uri != HERE:
        return uri
    return hashlib.sha256(os.environ[MLFLOW_URI].encode()).hexdigest()[:12]

"""A journal that grows, and what a tracker may find beside it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.events import Decided, EpochEnded, Event, LegStarted, Opened, Proposed
from orchestrator.data.targets import categorical
from orchestrator.ensemble_record.record import (
    RECORD,
    Component,
    EnsembleRecord,
    FoldModel,
    Member,
    Route,
    record_bytes,
)
from orchestrator.evaluation.estimate import Estimate
from orchestrator.tracking.journal import JournalState

HEADER = {
    "format": 1,
    "name": "age",
    "space": {"metric": "macro_f1", "mode": "max", "folds": 2, "max_t": 2, "params": {"lr": {}}},
}


class GrowingJournal:
    """Trials of two folds and two epochs."""

    def __init__(self, mode: str = "max") -> None:
        self.state = JournalState()
        space = {**HEADER["space"], "mode": mode}  # type: ignore[dict-item]
        self.add(Opened({**HEADER, "space": space}))

    def add(self, *events: Event) -> None:
        for event in events:
            self.state.add(event)

    def fold_run(self, trial: int, fold: int, *scores: float, first: int = 1) -> None:
        """An epoch for each score, and then its slot goes to others."""
        self.add(LegStarted(trial, fold, first - 1, first - 1 + len(scores)))
        for epoch, score in enumerate(scores, first):
            self.add(EpochEnded(trial, fold, epoch, score, {"macro_f1": score, "loss": 1 / epoch}, 2.0))
        self.add(Decided("STOP", trial, "ended", fold))

    def complete(self, trial: int, score: float, **config: object) -> None:
        self.add(Proposed(trial, {"lr": trial / 10, **config}))
        for fold in range(2):
            self.fold_run(trial, fold, score - 0.1, score)
        self.add(Decided("COMPLETE", trial, "completed all 2 folds"))


def write_ensemble(folder: Path, score: float) -> None:
    """Its record alone, with one estimate that has an interval and one that has none."""
    models = tuple(FoldModel(fold, 2, score, f"weights/{fold}.safetensors", 8, "00") for fold in (0, 1))
    member = Member("age", "tests.pixel_trainable:PixelTrainable", 0, score, 1.0, {"lr": 0.1}, models)
    target = categorical("tint", ["red", "blue"])
    estimates = {
        "naive": Estimate(score, score - 0.1, score + 0.1, 0.95, "bootstrap", 9, "OOF macro_f1"),
        "bbc": Estimate(score - 0.05, float("nan"), float("nan"), 0.95, "bootstrap", 9, "BBC-CV macro_f1"),
    }
    record = EnsembleRecord(
        target, "macro_f1", "max", (Route(1.0, (Component(target, (member,)),)),), estimates=estimates
    )
    folder.mkdir()
    (folder / RECORD).write_bytes(record_bytes(record))

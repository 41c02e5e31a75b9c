"""A share of a GPU that is too small: told apart from other failures, retried, remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.events import Action, EpochEnded, Leg, LegFailed, LegStarted, Proposed
from orchestrator.core.trainable import Resources
from orchestrator.data.manifest import load_manifest
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.race import RULES, RaceConfig, make_race
from orchestrator.storage import DirectoryStore
from orchestrator.study.history import History


def dataset(faces: Path) -> Dataset:
    frame = load_manifest(faces).frame
    labels = (frame["tint"] == "blue").to_numpy("int64")
    folds = (frame["group"].str[1:].astype(int) % 3).to_numpy("int16")
    paths = tuple(frame["path"])
    return Dataset(
        str(faces.parent), paths, labels, folds, ("red", "blue"), "macro_f1", "max", "x", str(faces.parent)
    )


def outcome(faces: Path, store: Path, gpus: float) -> object:
    resources = Resources(1, gpus)
    worker = FoldRunWorker(
        dataset(faces), "tests.pixel_trainable:PixelTrainable", DirectoryStore(store), resources
    )
    worker.start(LegAssignment(Leg(0, 0, 0, 1), {"lr": 0.1, "gpu_from": 1}, 1, 3, None))
    try:
        return worker.step()
    finally:
        worker.release()


def test_only_a_share_of_a_gpu_can_be_too_small(faces: Path, tmp_path: Path) -> None:
    small, none = (outcome(faces, tmp_path / str(gpus), gpus) for gpus in (0.5, 0.0))
    assert isinstance(small, LegFailed) and small.failure == "memory"
    assert isinstance(none, LegFailed) and none.failure == "exception"
    assert isinstance(outcome(faces, tmp_path / "whole", 1.0), EpochEnded)


@pytest.mark.parametrize("name", RULES)
def test_the_race_tries_it_again_and_the_journal_remembers(name: str) -> None:
    race = make_race(name, RaceConfig(trials=6, folds=3, max_t=4))
    leg = race.next()
    assert leg is not None
    start = LegStarted(leg.trial, leg.fold, leg.start, leg.end)
    failed = LegFailed(leg.trial, leg.fold, 0, "memory", "OutOfMemoryError: too much")
    for event in (Proposed(leg.trial, {}), start):
        race.apply(event)
    assert Action.RETRY in {decision.action for decision in race.apply(failed)}
    assert History("max", [start, failed]).gpu_failures(leg.trial) == [[failed.error]]
    assert not History("max", [start]).gpu_failures(leg.trial)

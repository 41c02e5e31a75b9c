"""A study that nobody trains: drawn scores and real files, for measuring what its driver costs."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, FoldRunKey
from orchestrator.data.folds import build_fold_plan
from orchestrator.data.manifest import Manifest
from orchestrator.execution.driver import Driver
from orchestrator.execution.worker import LegAssignment
from orchestrator.race.simulate.synthetic import draw_curves
from orchestrator.space import SearchSpace, categorical, choice, loguniform, uniform
from orchestrator.storage.checkpoint_files import oof_name, resume_name, weights_name
from orchestrator.study.header import StudyHeader
from orchestrator.study.predictions import fold_to_bytes
from orchestrator.study.study import Study

ROWS = 500
TRAINABLE = "benchmarks.no_op:NoOp"


@dataclass(frozen=True)
class Size:
    """Of a study, and how many fold runs go on at once."""

    trials: int
    folds: int
    epochs: int
    slots: int

    def scores(self) -> np.ndarray:
        """(trials, folds, epochs), the same every time."""
        return draw_curves(self.trials, self.folds, self.epochs, np.random.default_rng(0)).scores

    def __str__(self) -> str:
        return f"{self.trials} trials x {self.folds} folds x {self.epochs} epochs, {self.slots} slots"


def make_study(folder: Path, size: Size) -> tuple[Study, Dataset]:
    """An opened study of 500 images that do not exist, and what its fold runs would be given."""
    names = [f"{row}.png" for row in range(ROWS)]
    groups = [f"g{row}" for row in range(ROWS)]
    tints = ["red", "blue"] * (ROWS // 2)
    frame = pd.DataFrame({"path": names, "group": groups, "role": "train", "tint": tints})
    manifest = Manifest(frame, folder, "synthetic")
    target = categorical("tint", ["red", "blue"])
    params = {
        "lr": loguniform(1e-5, 1e-1),
        "weight_decay": loguniform(1e-6, 1e-2),
        "drop": uniform(0.0, 0.5),
        "backbone": choice(["resnet18", "resnet50", "efficientnet_b0"]),
        "batch": choice([16, 32, 64]),
    }
    space = SearchSpace(
        TRAINABLE, target, params, folds=size.folds, trials=size.trials, max_t=size.epochs
    )  # fmt: skip
    return open_study(folder, manifest, space)


def open_study(folder: Path, manifest: Manifest, space: SearchSpace) -> tuple[Study, Dataset]:
    """A new study below `folder`, and what its fold runs would be given."""
    target, frame = space.target, manifest.frame
    plan = build_fold_plan(manifest, space.folds, 0, (target,))
    header = StudyHeader(manifest.name, space.to_json())
    study = Study.create(folder / "study", header, manifest, plan)
    dataset = Dataset(
        root=str(folder),
        paths=tuple(frame["path"]),
        labels=target.encode(frame),
        folds=plan.folds,
        classes=target.classes,
        metric="macro_f1",
        mode="max",
        fingerprint=manifest.fingerprint,
        cache_dir=str(folder),
    )
    return study, dataset


class Checkpoints:
    """Leaves behind what a worker would have stored by the end of an epoch: small files, the real names."""

    def __init__(self, root: Path, dataset: Dataset) -> None:
        self._root = root
        self._oof = {}
        for fold in range(int(dataset.folds.max()) + 1):
            rows = dataset.validation_rows(fold)
            even = np.full((len(rows), len(dataset.classes)), 1 / len(dataset.classes), np.float32)
            self._oof[fold] = fold_to_bytes(rows, even)
        self._best: dict[FoldRunKey, float] = {}

    def store(self, event: EpochEnded) -> None:
        key = FoldRunKey(event.trial, event.fold)
        folder = self._root / str(key)
        folder.mkdir(parents=True, exist_ok=True)
        (self._root / resume_name(key, event.epoch)).write_bytes(b"state")
        (self._root / resume_name(key, event.epoch - 2)).unlink(missing_ok=True)
        if event.score > self._best.get(key, -np.inf):
            self._best[key] = event.score
            (self._root / weights_name(key, event.epoch)).write_bytes(b"weights")
            (self._root / oof_name(key, event.epoch)).write_bytes(self._oof[event.fold])


class Slots:
    """Fold runs under way, each as fast as it always is (epochs of 0.7 to 1.3 units of time)."""

    def __init__(self, driver: Driver, size: Size) -> None:
        self._driver, self._scores, self._slots = driver, size.scores(), size.slots
        self._pace = np.random.default_rng(1).uniform(0.7, 1.3, (size.trials, size.folds))
        self._coming: list[tuple[float, int, LegAssignment, int]] = []  # when, order of starting, leg, epoch
        self._now, self._started = 0.0, 0

    def epochs(self) -> Iterator[EpochEnded]:
        """Each is handed to the driver, and free slots are filled, before the next one comes."""
        self._fill()
        while self._coming:
            self._now, place, order, epoch = heapq.heappop(self._coming)
            leg = order.leg
            score = float(self._scores[leg.trial, leg.fold, epoch - 1])
            event = EpochEnded(leg.trial, leg.fold, epoch, score, {"macro_f1": score, "loss": score}, 30.0)
            yield event
            answer = self._driver.report(event)
            if answer.assignment is not None:
                self._push(answer.assignment, answer.assignment.leg.start + 1, place)
            elif answer.goes_on:
                self._push(order, epoch + 1, place)
            self._fill()

    def _fill(self) -> None:
        while len(self._coming) < self._slots and (order := self._driver.next_assignment()) is not None:
            self._started += 1
            self._push(order, order.leg.start + 1, self._started)
            if self._driver.done:
                return

    def _push(self, order: LegAssignment, epoch: int, place: int) -> None:
        takes = float(self._pace[order.leg.trial, order.leg.fold])
        heapq.heappush(self._coming, (self._now + takes, place, order, epoch))

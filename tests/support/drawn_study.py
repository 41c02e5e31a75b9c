"""A real study in about a second, with no model: the driver, its race, sampler and journal, on drawn answers.

    path = draw_study(tmp_path / "a")                                    # 12 trials x 3 folds x 4 epochs
    path = draw_study(tmp_path / "b", fault="bad_fold", images=True)     # one of drawn_world.FAULTS
    path = draw_study(tmp_path / "c", state="running", most=20)          # one of STATES

The files are those of a search: journal, manifest, folds, the probabilities of every epoch, best checkpoints,
out-of-fold tables, exports. `python -m orchestrator.ensemble` works on it. Time in the journal is virtual.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import save

from orchestrator.core import metrics
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import Decision, EpochEnded, Event, FoldRunKey, LegFailed
from orchestrator.core.file_digest import digest_of
from orchestrator.data.folds import FoldPlan, build_fold_plan
from orchestrator.data.manifest import Manifest
from orchestrator.execution.driver import Driver
from orchestrator.execution.worker import LegAssignment
from orchestrator.race import VERSION, make_race
from orchestrator.sampling import make_sampler
from orchestrator.space import SearchSpace, categorical, choice, loguniform
from orchestrator.storage.checkpoint_files import oof_name, probabilities_name, weights_name
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study import journal
from orchestrator.study.header import StudyHeader
from orchestrator.study.kept_probabilities import KIND, probabilities_to_bytes
from orchestrator.study.predictions import fold_to_bytes
from orchestrator.study.study import Study
from orchestrator.tune.plan import race_config
from tests.support.drawn_world import FAULTS, DrawnWorld, faults_of

STATES = ("finished", "running", "interrupted", "failed")
"""running: its driver still holds it, or was killed; failed: every leg raised."""
COLOURS = ("red", "green", "blue", "cyan", "pink", "lime", "grey", "teal")
BEGAN = 1_764_000_000.0  # unix seconds of the first event
EPOCH_SECONDS = 30.0
WORDS = "RuntimeError: CUDA error: an illegal memory access was encountered"
FAILING_WIDTH = 64
SIDE = 16  # pixels of an image
_PARAMS = {"lr": loguniform(1e-4, 1e-1), "width": choice([16, 32, 64]), "flip": choice([False, True])}


@dataclass
class _Clock:
    now: float = BEGAN

    def time(self) -> float:
        return self.now


class _NobodyLooks:
    def on_event(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        pass


def draw_study(
    folder: Path,
    *,
    trials: int = 12,
    folds: int = 3,
    max_t: int = 4,
    rows: int = 240,
    rows_per_group: int = 4,
    classes: int | Sequence[str] = 3,
    seed: int = 0,
    fault: str | None = None,
    state: str = "finished",
    most: int | None = None,
    images: bool = False,
    test_rows: int = 0,
    probabilities: bool = True,
    metric: str = "macro_f1",
    slots: int = 2,
    params: dict[str, Any] | None = None,
    paths: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Path:
    """Writes the study `folder`; its images, where asked for, and its table lie in <folder>-data.

    fault: one of FAULTS, or several joined by +. state: one of STATES. most: fold-epochs after which a study
    that runs or was interrupted stops (default: a third of the trials begun). test_rows: rows with role test
    and labels in the table that it names as its source; they need images. probabilities: those of every epoch
    are kept. params: in place of lr, width and flip, of which lr has to stay. paths: of the first rows, in
    place of row0000.png. notes: of the manifest.
    """
    assert faults_of(fault) <= set(FAULTS) and state in STATES, (fault, state)
    names = tuple(COLOURS[:classes]) if isinstance(classes, int) else tuple(classes)
    drawn = _draw_rows(names, rows, rows_per_group, folds, seed, fault)
    data = folder.with_name(f"{folder.name}-data")
    manifest = _manifest(drawn, names, data, paths, notes)
    target = categorical("label", list(names))
    space = SearchSpace(
        trainable="tests.pixel_trainable:PixelTrainable", target=target, metric=metric, folds=folds,
        trials=trials, max_t=max_t, finalists=min(3, trials), group="group",
        params=params or _PARAMS,
    )  # fmt: skip
    if images or test_rows or "leak" in faults_of(fault):
        _draw_data(data, manifest, drawn, names, test_rows, seed)
    plan = build_fold_plan(manifest, folds, seed, (target,))
    header = StudyHeader(
        folder.name, space.to_json(), space_name="drawn", space_file="search_spaces/drawn.py", seed=seed,
        rule_version=VERSION, fold_order=np.random.default_rng([seed, folds]).permutation(folds).tolist(),
        tries=[{"lr": 0.097}] if "edge" in faults_of(fault) else (), classes=names,
        versions={"python": "3.11.7"},
        manifest={"source": str(data / "rows.csv"), "root": str(data)},
        sources={"orchestrator": "0123456789ab"},
    )  # fmt: skip
    world = DrawnWorld(drawn.labels, drawn.codes, drawn.copied, len(names), max_t, seed, fault)
    clock = _Clock()
    with _quickly(clock):
        study = Study.create(folder, header, manifest, plan)
        dataset = _dataset(manifest, space, plan, drawn.labels, folder)
        slots_of = _Slots(study, space, dataset, world, clock, probabilities, state)
        limit = max(1, trials // 3) if most is None else most
        slots_of.run(slots, limit if state in ("running", "interrupted") else None)
        study.close()
    return folder


@contextmanager
def _quickly(clock: _Clock) -> Iterator[None]:
    """Nothing is fsynced, and the journal's lines have the virtual time."""
    with mock.patch("os.fsync"), mock.patch.object(journal, "time", SimpleNamespace(time=clock.time)):
        yield


# ---- rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    labels: NDArray[np.int64]
    codes: NDArray[np.int64]
    copy_of: NDArray[np.int64]  # (n,): the row whose image it has; itself where it is no copy

    @property
    def copied(self) -> NDArray[np.bool_]:
        own = np.arange(len(self.copy_of))
        return (self.copy_of != own) | np.isin(own, self.copy_of[self.copy_of != own])


def _draw_rows(
    names: Sequence[str], rows: int, per_group: int, folds: int, seed: int, fault: str | None
) -> _Rows:
    """A group's rows share a label. Of a leak every fourth group is a copy of the one before it."""
    codes = np.arange(rows) // per_group
    groups = int(codes.max()) + 1
    of_group = np.arange(groups) % len(names)
    if "rare_class" in faults_of(fault):
        last = len(names) - 1
        of_group = np.where(of_group == last, 0, of_group)
        of_group[:: groups // (folds + 1)][: folds + 1] = last
    copy_of = np.arange(rows)
    if "leak" in faults_of(fault):
        copies = np.flatnonzero(codes % 4 == 3)
        copies = copies[copies >= per_group]
        copy_of[copies] = copies - per_group
        of_group[3::4] = of_group[2::4][: len(of_group[3::4])]
    return _Rows(of_group[codes].astype(np.int64), codes.astype(np.int64), copy_of)


def _manifest(
    drawn: _Rows, names: Sequence[str], data: Path, paths: Sequence[str], notes: Sequence[str]
) -> Manifest:
    rows = len(drawn.labels)
    frame = pd.DataFrame(
        {
            "path": [*paths, *(f"row{row:04d}.png" for row in range(len(paths), rows))],
            "group": [f"g{code:03d}" for code in drawn.codes],
            "role": "train",
            "label": [names[label] for label in drawn.labels],
        }
    )
    return Manifest(frame, data, data.name, tuple(notes))


def _draw_data(
    data: Path, manifest: Manifest, drawn: _Rows, names: Sequence[str], test_rows: int, seed: int
) -> None:
    """Images whose colour tells the class to the models that are stored, and rows.csv of all of them."""
    data.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 5])
    for row, path in enumerate(manifest.frame["path"]):
        source = drawn.copy_of[row]
        if source != row:
            (data / path).write_bytes((data / manifest.frame["path"][source]).read_bytes())
        else:
            _draw_image(data / path, int(drawn.labels[row]), rng)
    labels = np.arange(test_rows) % len(names)
    for row, label in enumerate(labels):
        _draw_image(data / f"test{row:04d}.png", int(label), rng)
    test = pd.DataFrame(
        {
            "path": [f"test{row:04d}.png" for row in range(test_rows)],
            "group": [f"t{row // 2:03d}" for row in range(test_rows)],
            "role": "test",
            "label": [names[label] for label in labels],
        }
    )
    pd.concat([manifest.frame, test]).to_csv(data / "rows.csv", index=False)


def _draw_image(path: Path, label: int, rng: np.random.Generator) -> None:
    image = rng.integers(0, 150, (SIDE, SIDE, 3)) + rng.normal(0, 8, 3)
    image[..., label % 3] += 12 + 12 * (label // 3)
    cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8))


def _weights(classes: int, key: FoldRunKey, epoch: int) -> bytes:
    """Of `tests.pixel_trainable`: a class for each channel. No two are one file, as in a real study; what
    tells them is added to all classes alike and moves no probability."""
    made = np.zeros((8 * 8 * 3 + 1, classes))
    made[-1] = 1e-6 * (10_000 * key.trial + 100 * key.fold + epoch)
    for label in range(classes):
        made[label % 3 : -1 : 3, label] = 0.5
    return bytes(save({"weights": made}))


def _dataset(
    manifest: Manifest, space: SearchSpace, plan: FoldPlan, labels: NDArray[np.int64], folder: Path
) -> Dataset:
    return Dataset(
        str(manifest.root), tuple(manifest.frame["path"]), labels, plan.folds, space.target.classes,
        space.metric, space.mode, manifest.fingerprint, str(folder),
    )  # fmt: skip


# ---- the search -----------------------------------------------------------------------------------


@dataclass
class _Slots:
    """Runs the race's legs in virtual time, as many at once as there are slots."""

    study: Study
    space: SearchSpace
    dataset: Dataset
    world: DrawnWorld
    clock: _Clock
    probabilities: bool
    state: str
    epochs: int = 0
    bests: dict[FoldRunKey, float] = field(default_factory=dict)

    def run(self, slots: int, most: int | None) -> None:
        """To the end of the race, or of `most` fold-epochs."""
        header = self.study.header
        race = make_race(header.rule, race_config(self.space, tuple(header.fold_order), header.rule_version))
        sampler = make_sampler(header.sampler, self.space, header.seed, header.tries)
        driver = Driver(race, self.study, sampler, self.dataset, _NobodyLooks())
        under_way: list[tuple[float, int, LegAssignment, int]] = []
        while not driver.done and (most is None or self.epochs < most):
            while len(under_way) < slots and (given := driver.next_assignment()) is not None:
                self._push(under_way, given, given.leg.start)
            self.clock.now, _, assignment, done = heapq.heappop(under_way)
            answer = driver.report(self._outcome(driver.store, assignment, done + 1))
            if answer.goes_on:
                self._push(under_way, answer.assignment or assignment, done + 1)
        if most is None:
            driver.close("finished")
        elif self.state == "interrupted":
            driver.close("interrupted")

    def _push(self, under_way: list[Any], assignment: LegAssignment, done: int) -> None:
        leg = assignment.leg
        lasts = EPOCH_SECONDS * (1 + 0.2 * (leg.trial % 5))
        self._started = getattr(self, "_started", 0) + 1
        heapq.heappush(under_way, (self.clock.now + lasts, self._started, assignment, done))

    def _outcome(
        self, store: CheckpointStore, assignment: LegAssignment, epoch: int
    ) -> EpochEnded | LegFailed:
        leg, config = assignment.leg, assignment.config
        self.epochs += 1
        fails = self.world.has("failures") and config.get("width") == FAILING_WIDTH
        if self.state == "failed" or fails:
            return LegFailed(leg.trial, leg.fold, epoch - 1, "exception", WORDS, f"Traceback: {WORDS}")
        rows = self.dataset.validation_rows(leg.fold)
        answers = self.world.answer(config, leg.trial, leg.fold, epoch, rows)
        labels = self.dataset.labels[rows]
        score = metrics.score(self.space.metric, labels, answers)
        digests = self._store(store, leg.key, epoch, score, rows, answers)
        loss = float(-np.log(np.maximum(answers[np.arange(len(rows)), labels], 1e-7)).mean())
        told = {self.space.metric: score, "loss_train": 0.9 * loss, "loss_val": loss}
        seconds = EPOCH_SECONDS * (1 + 0.2 * (leg.trial % 5))
        return EpochEnded(leg.trial, leg.fold, epoch, score, told, seconds, digests)

    def _store(
        self,
        store: CheckpointStore,
        key: FoldRunKey,
        epoch: int,
        score: float,
        rows: NDArray[np.int64],
        answers: NDArray[np.float32],
    ) -> dict[str, str]:
        """What a worker stores of an epoch, but for the state to go on from. Returns the digests."""
        files: dict[str, tuple[str, bytes]] = {}
        if self.probabilities:
            files[KIND] = probabilities_name(key, epoch), probabilities_to_bytes(answers)
        merit = score if self.space.mode == "max" else -score
        if key not in self.bests or merit > self.bests[key]:
            self.bests[key] = merit
            files["oof"] = oof_name(key, epoch), fold_to_bytes(rows, answers)
            files["weights"] = weights_name(key, epoch), _weights(self.world.classes, key, epoch)
        for name, data in files.values():
            store.put(name, data)
        return {kind: digest_of(data) for kind, (_, data) in files.items()}

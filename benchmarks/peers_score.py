"""What a run's records say: the held-out score at each mark, start-up, idle time, epochs.

What each method hands in at a mark, from what it has stored by then:

- the loop and Optuna: the soft vote of the folds of one configuration, that with most folds and among those
  with the best mean of their best validation scores (the same epoch scores by which they search);
- stock ASHA: the soft vote of each fold's best checkpoint, whatever configuration it is of, because hardly
  any configuration has all folds; `asha_trial` is the rule of the other two;
- this tool: the study as it lies there, through `orchestrator.build_ensemble`; nothing where that refuses.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers_data import PeerData
from benchmarks.peers_records import Checkpoint, Kept, spans
from benchmarks.peers_setting import CORES, Setting
from orchestrator.core.errors import InputError, NoCompleteTrialError
from orchestrator.core.events import EpochEnded
from orchestrator.core.metrics import score
from orchestrator.core.trainable import Resources, load_trainable
from orchestrator.data.scalars import columns_of
from orchestrator.ensemble.building import build_ensemble

Chosen = Sequence[Checkpoint]


# ---- what is handed in ----------------------------------------------------------------------------


def newest(kept: Sequence[Checkpoint], until: float) -> dict[tuple[str, int], Checkpoint]:
    """(trial, fold) -> its best epoch by that time."""
    return {(item.trial, item.fold): item for item in kept if item.time <= until}


def best_trial(kept: Mapping[tuple[str, int], Checkpoint]) -> Chosen:
    """All folds of one trial: with most folds, then with the best mean score."""
    trials: dict[str, list[Checkpoint]] = defaultdict(list)
    for (trial, _), item in sorted(kept.items()):
        trials[trial].append(item)
    ranked = sorted(
        trials.values(), key=lambda items: (len(items), float(np.mean([item.score for item in items])))
    )
    return ranked[-1] if ranked else ()


def best_of_folds(kept: Mapping[tuple[str, int], Checkpoint]) -> Chosen:
    """The best checkpoint of each fold."""
    best: dict[int, Checkpoint] = {}
    for (_, fold), item in sorted(kept.items()):
        if fold not in best or item.score > best[fold].score:
            best[fold] = item
    return [best[fold] for fold in sorted(best)]


RULES = {"loop": best_trial, "optuna": best_trial, "asha": best_of_folds, "asha_trial": best_trial}


class HeldOut:
    """The rows nothing trained on; remembers what each checkpoint says of them."""

    def __init__(self, data: PeerData) -> None:
        test = data.test
        self.paths = [str(test.root / path) for path in test.frame["path"]]
        self._columns = columns_of(test.frame)
        self._labels = data.space.target.encode(test.frame)
        self._data, self._trainable = data, load_trainable(data.space.trainable)
        self._known: dict[Path, NDArray[np.float32]] = {}

    def score(self, probabilities: NDArray[np.float32]) -> float:
        return score(self._data.space.metric, self._labels, probabilities)

    def of_vote(self, kept: Kept, chosen: Chosen) -> float | None:
        if not chosen:
            return None
        return self.score(np.mean([self._of(kept, item) for item in chosen], axis=0, dtype=np.float32))

    def _of(self, kept: Kept, item: Checkpoint) -> NDArray[np.float32]:
        path = kept.folder / item.file
        if path not in self._known:
            classes = len(self._data.space.target.task.classes)
            predictor = self._trainable.load_predictor(
                path.read_bytes(), kept.config(item.trial), classes, Resources(CORES)
            )
            self._known[path] = predictor.predict(self.paths, columns=self._columns)
        return self._known[path]


@dataclass(frozen=True)
class HandedIn:
    """At one mark."""

    minute: float
    score: float | None  # on the held-out rows; None: there was nothing to hand in
    models: int
    trials: int
    seconds: float  # that making the vote took, off the clock (predictions not counted)
    note: str = ""


def of_peer(setting: Setting, rule: str, marks: Sequence[float], held_out: HeldOut) -> list[HandedIn]:
    kept = setting.kept()
    checkpoints, handed_in = kept.checkpoints(), []
    for mark in marks:
        chosen = RULES[rule](newest(checkpoints, setting.started + 60 * mark))
        trials = len({item.trial for item in chosen})
        handed_in.append(HandedIn(mark, held_out.of_vote(kept, chosen), len(chosen), trials, 0.0))
    return handed_in


def of_ours(setting: Setting, marks: Sequence[float], held_out: HeldOut) -> list[HandedIn]:
    return [_of_snapshot(setting.path / "snapshots" / f"{mark:g}", mark, held_out) for mark in marks]


def _of_snapshot(study: Path, mark: float, held_out: HeldOut) -> HandedIn:
    begin = time.perf_counter()
    try:
        ensemble = build_ensemble(study, trust=True)
    except (NoCompleteTrialError, InputError) as error:  # nothing to vote yet, or no study yet
        return HandedIn(mark, None, 0, 0, time.perf_counter() - begin, str(error).splitlines()[0])
    seconds = time.perf_counter() - begin
    members = [member for component in ensemble.components for member in component.members]
    models = sum(len(member.models) for member in members)
    probabilities = ensemble.predict(held_out.paths)
    return HandedIn(mark, held_out.score(probabilities), models, len(members), seconds)


# ---- where the time went --------------------------------------------------------------------------


@dataclass(frozen=True)
class Spent:
    """Of the run up to its last mark."""

    start_up: float  # seconds from the start of the process to the first epoch's begin
    first_vote: float | None  # seconds until one configuration had a model of every fold
    idle: float  # share of both cores' time, from the first epoch on, in which no epoch was running
    epochs: int  # that ended
    epoch_seconds: float  # mean
    folds_of_best: int


def spent(setting: Setting, folds: int) -> Spent:
    end = setting.started + 60 * setting.minutes
    own = [span for span in spans(setting.path) if span.begin < end]
    epochs = [span for span in own if span.kind == "epoch"]
    if not epochs:
        return Spent(60 * setting.minutes, None, 1.0, 0, 0.0, 0)
    first = epochs[0].begin
    busy = sum(min(span.end, end) - span.begin for span in epochs)
    ended = [span for span in epochs if span.end <= end]
    mean = float(np.mean([span.end - span.begin for span in ended])) if ended else 0.0
    vote, most = first_vote(setting, folds)
    return Spent(first - setting.started, vote, 1 - busy / (CORES * (end - first)), len(ended), mean, most)


def first_vote(setting: Setting, folds: int) -> tuple[float | None, int]:
    """Seconds until a trial owned all folds, and the most folds that one owns by the end."""
    owned: dict[object, set[int]] = defaultdict(set)
    for moment, trial, fold in _stored(setting):
        owned[trial].add(fold)
        if len(owned[trial]) == folds:
            return moment - setting.started, folds
    return None, max(map(len, owned.values()), default=0)


def _stored(setting: Setting) -> list[tuple[float, object, int]]:
    """(unix seconds, trial, fold) of each checkpoint."""
    end = setting.started + 60 * setting.minutes
    if (setting.path / "snapshots").exists():
        newest_copy = max((setting.path / "snapshots").iterdir(), key=lambda path: float(path.name))
        found = _epochs(newest_copy)
    else:
        found = [(item.time, item.trial, item.fold) for item in setting.kept().checkpoints()]
    return [item for item in found if item[0] <= end]


def _epochs(study: Path) -> list[tuple[float, object, int]]:
    path = study / "journal.jsonl"
    lines: list[dict[str, Any]] = (
        [] if not path.exists() else list(map(json.loads, path.read_text().splitlines()))
    )
    return [(line["time"], line["trial"], line["fold"]) for line in lines if line["event"] == EpochEnded.kind]

"""What the complete trials of one study, or of several of one data set, say of each row's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.audit.parts import Part, parts_of, split_probabilities
from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError, NoCompleteTrialError, StudyError
from orchestrator.core.text import shortened
from orchestrator.data.targets import Target
from orchestrator.evaluation.label_evidence import TrialAnswers
from orchestrator.evaluation.learning_dynamics import Dynamics, DynamicsSums
from orchestrator.space.condition import condition_mask
from orchestrator.study.epoch_predictions import EpochPredictions
from orchestrator.study.predictions import read_prediction
from orchestrator.study.study import Study

OOF = "oof.parquet"


@dataclass(frozen=True)
class PartEvidence:
    """labels (n,): as given, -1 where a row has none for this part. dynamics: None where no epoch is kept."""

    part: Part
    labels: Labels
    answers: Sequence[TrialAnswers]
    dynamics: Dynamics | None = None


@dataclass(frozen=True)
class Evidence:
    """frame: the n rows that are validated, of all studies, with path, group and label columns."""

    frame: pd.DataFrame
    root: Path  # of the images
    parts: tuple[PartEvidence, ...]
    trials: int  # complete ones, of all studies
    notes: tuple[str, ...] = ()


@dataclass
class _Collected:
    part: Part
    labels: Labels
    answers: list[TrialAnswers]
    sums: DynamicsSums
    has_epochs: bool = False


@dataclass(frozen=True)
class _Source:
    """One study's rows among all: scored (m,) row numbers of its manifest, at (m,) their places among all."""

    study: Study
    trials: tuple[int, ...]
    frame: pd.DataFrame
    scored: NDArray[np.int64]
    at: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """(rows of the manifest,): place among all rows, -1 for none."""
        found = np.full(len(self.frame), -1, np.int64)
        found[self.scored] = self.at
        return found


def gather_evidence(studies: Sequence[Study], progress: Progress) -> Evidence:
    """A trial's answer of a row is the mean over its epochs where all are kept, else that of the epoch kept.

    The mean is the better evidence (docs/benchmarks/label_audit.md), and no label had a say in which epoch
    is looked at. Raises NoCompleteTrialError; StudyError for studies whose rows have different labels or
    groups.
    """
    sources, frame = _one_table([_source(study) for study in studies])
    collected: dict[str, _Collected] = {}
    for source in sources:
        for part in parts_of(source.study.space.target):
            _add_part(collected, part, source, len(frame))
    trials = [(source, trial) for source in sources for trial in source.trials]
    readers = {id(source): EpochPredictions(source.study) for source in sources}
    whole = 0
    for done, (source, trial) in enumerate(trials, 1):
        whole += _add_trial(collected, source, readers[id(source)], trial)
        progress(done, len(trials))
    notes = () if whole == len(trials) else (_gaps(whole, len(trials)),)
    # The joint label last: a fix corrects one of its parts.
    parts = tuple(
        PartEvidence(item.part, item.labels, item.answers, item.sums.dynamics() if item.has_epochs else None)
        for item in sorted(collected.values(), key=lambda item: item.part.is_joint)
    )
    return Evidence(frame, studies[0].manifest().root, parts, len(trials), notes)


def _gaps(whole: int, trials: int) -> str:
    """What is said of trials that lack epochs."""
    one_each = "one epoch of each fold speaks for a trial, and how late labels are learnt is not known"
    if not whole:
        return f"no trial has two epochs or more that are all kept: {one_each}"
    return f"of {trials - whole} of {trials} trials not all epochs are kept: {one_each} of these"


def _source(study: Study) -> _Source:
    trials = tuple(trial.number for trial in study.complete_trials())
    if not trials:
        raise NoCompleteTrialError(
            f"study {study.path} has no complete trial, and only those say something of every row; resume "
            "it first"
        )
    frame = study.manifest().frame
    mask = condition_mask(study.space, frame)
    scored = study.fold_plan().folds >= 0
    return _Source(study, trials, frame, np.flatnonzero(scored if mask is None else scored & mask))


def _one_table(sources: Sequence[_Source]) -> tuple[list[_Source], pd.DataFrame]:
    """Rows by their path, in the order in which studies name them first."""
    places: dict[str, int] = {}
    found, frames = [], []
    for source in sources:
        own = source.frame.iloc[source.scored]
        paths = own["path"].astype(str).tolist()
        new = [path not in places for path in paths]
        for path in paths:
            places.setdefault(path, len(places))
        at = np.array([places[path] for path in paths], np.int64)
        frames.append(own[new])
        found.append(replace(source, at=at))
    frame = pd.concat(frames, ignore_index=True)
    for source in found:
        groups = source.frame["group"].astype(str).to_numpy()[source.scored]
        other = np.flatnonzero(groups != frame["group"].astype(str).to_numpy()[source.at])
        if len(other):
            path = source.frame["path"].iloc[source.scored[other[0]]]
            raise StudyError(
                f"studies {sources[0].study.path} and {source.study.path} put {path} into different groups; "
                "audit studies of one data set"
            )
    return found, frame


def _add_part(collected: dict[str, _Collected], part: Part, source: _Source, rows: int) -> None:
    labels = part.encode(source.frame.iloc[source.scored])
    if part.name not in collected:
        empty = np.full(rows, -1, np.int64)
        collected[part.name] = _Collected(part, empty, [], DynamicsSums(rows))
    known = collected[part.name]
    before = known.labels[source.at]
    differ = np.flatnonzero((before >= 0) & (before != labels))
    if known.part.classes != part.classes or len(differ):
        paths = source.frame["path"].iloc[source.scored[differ]].astype(str).tolist()
        what = f"labels of {shortened(paths)}" if paths else "classes"
        raise StudyError(
            f"study {source.study.path} has other {what} for {part.name} than the studies before it; audit "
            "it by itself, or see what fixes changed with --compare BEFORE AFTER"
        )
    known.labels[source.at] = labels


def split_answers(
    target: Target, rows: NDArray[np.int64], probabilities: Probabilities, folds: NDArray[np.int16]
) -> dict[str, TrialAnswers]:
    """Name of each part -> what was answered of it."""
    parts = split_probabilities(target, probabilities)
    return {name: TrialAnswers(rows, item, folds) for name, item in parts.items()}


def _add_trial(
    collected: Mapping[str, _Collected], source: _Source, kept: EpochPredictions, trial: int
) -> bool:
    """Whether all its epochs are kept; where they are not, the trial's stored answers count alone."""
    target, oof = source.study.space.target, source.study.oof(trial)
    probabilities = oof.probabilities.copy()
    runs = [_epochs(source, kept, trial, fold) for fold in range(source.study.space.folds)]
    is_whole = all(runs)
    for fold, epochs in enumerate(runs if is_whole else []):
        probabilities[oof.folds == fold] = np.mean(epochs, axis=0)
        _add_dynamics(collected, source, kept.rows(fold), epochs)
    places = source.places[oof.rows]
    own = places >= 0
    answers = split_answers(target, places[own], probabilities[own], oof.folds[own])
    for name, item in answers.items():
        collected[name].answers.append(item)
    return is_whole


def _epochs(source: _Source, kept: EpochPredictions, trial: int, fold: int) -> list[Probabilities]:
    """Every epoch of a fold run, (rows of the fold, C) each; none where one of them is not kept."""
    length = source.study.space.max_t
    found = [kept.find(trial, fold, epoch) for epoch in range(1, length + 1)]
    epochs = [item for item in found if item is not None]
    return epochs if len(epochs) == length >= 2 else []


def _add_dynamics(
    collected: Mapping[str, _Collected],
    source: _Source,
    rows: NDArray[np.int64],
    epochs: Sequence[Probabilities],
) -> None:
    """rows (m,) of the study's manifest; epochs: (m, C) each."""
    target, places = source.study.space.target, source.places[rows]
    own = places >= 0
    split = [split_probabilities(target, item[own]) for item in epochs]
    for part in parts_of(target):
        known = collected[part.name]
        known.sums.add(places[own], known.labels[places[own]], [item[part.name] for item in split])
        known.has_epochs = True


def with_ensemble(evidence: Evidence, folder: Path, studies: Sequence[Study]) -> Evidence:
    """With an ensemble's out-of-fold probabilities in place of the trials' ones, for the parts it answers.

    Raises StudyError, EnsembleError for one that answers none of them.
    """
    prediction, classes = read_prediction(folder / OOF)
    places = {path: at for at, path in enumerate(evidence.frame["path"].astype(str))}
    rows = np.array([places.get(path, -1) for path in prediction.paths], np.int64)
    known = rows >= 0
    target = next(
        (item.space.target for item in studies if tuple(item.space.target.classes) == classes), None
    )
    if target is None or not known.any():
        names = ", ".join(str(study.path) for study in studies)
        raise EnsembleError(
            f"ensemble {folder} answers none of the targets of {names}, or none of their rows; name one that "
            "was made of them"
        )
    found = split_answers(target, rows[known], prediction.probabilities[known], prediction.folds[known])
    parts = [
        replace(item, answers=[found[item.part.name]]) if item.part.name in found else item
        for item in evidence.parts
    ]
    return replace(evidence, parts=tuple(parts))

"""Writes an ensemble's folder, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError, StorageError, StudyError
from orchestrator.core.events import FoldRunKey
from orchestrator.core.file_digest import digest_of, is_as_stored
from orchestrator.ensemble.linking import link_or_copy, write_durably
from orchestrator.ensemble.members import EnsembleInputs, StudyCandidates
from orchestrator.ensemble.submission.spellings import column_spellings
from orchestrator.ensemble.trained_on import write_trained_on
from orchestrator.ensemble_record.record import (
    RECORD,
    EnsembleRecord,
    FoldModel,
    Member,
    record_bytes,
)
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.predictions import Prediction, write_prediction
from orchestrator.study.study import CandidateTrial, FoldBest, read_checkpoint

_README = """This folder is a complete ensemble ({classes} classes, {models} models). To ask it:

    python -m orchestrator.ensemble --ensemble THIS_FOLDER --predict MANIFEST

    from orchestrator.ensemble import Ensemble
    probabilities = Ensemble.load("THIS_FOLDER").predict(["a.jpg"])

ensemble.json says what it is made of, what it scored and what these scores mean; oof.parquet holds the
out-of-fold probabilities, trained_on.parquet tells images that were trained on from new ones.
"""


def refuse_existing(out: Path) -> None:
    """Raises EnsembleError when there is something at `out`."""
    if out.exists():
        raise EnsembleError(f"--out {out} exists; name another folder (nothing was changed)")


def check_out(out: Path) -> None:
    """Whether a folder can be made there, found out before the work. Raises EnsembleError, StorageError."""
    try:
        refuse_existing(out)
        nearest = next(parent for parent in out.parents if parent.exists())
        # Asking for permissions says little on network drives; making a folder says it.
        probe = _draft(nearest / out.name)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise _unwritable(out, error) from error


def _draft(out: Path) -> Path:
    return out.with_name(f"{out.name}.{os.getpid()}.part")


def _unwritable(out: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot write {out}: {error.strerror}; free space or name another --out")


@dataclass(frozen=True)
class StoredMember:
    """Where the weights of a trial's fold models lie."""

    study: Path
    store: CheckpointStore
    bests: tuple[FoldBest, ...]

    @classmethod
    def of(cls, candidates: StudyCandidates, trial: CandidateTrial) -> StoredMember:
        return cls(candidates.study.path, candidates.study.store(), trial.bests)


@dataclass(frozen=True)
class Tables:
    """The Parquet files of a folder."""

    oof: Prediction  # of the whole ensemble
    paths: Sequence[str]  # of every manifest row
    trained_on: Sequence[pd.DataFrame]  # what `trained_rows` gave for each study


def member_of(candidates: StudyCandidates, trial: CandidateTrial, weight: float) -> Member:
    """As it stands in a record whose weights are not written yet."""
    models = tuple(FoldModel(best.fold, best.epoch, best.score) for best in trial.bests)
    own_code = candidates.study.header.own_code
    config, trainable = candidates.config(trial), candidates.space.trainable
    return Member(candidates.name, trainable, trial.number, trial.score, weight, config, models, own_code)


def write_folder(
    out: Path,
    record: EnsembleRecord,
    stored: Mapping[tuple[str, int], StoredMember],
    tables: Tables,
    progress: Progress | None = None,
) -> EnsembleRecord:
    """Puts the members' weights and all that is known of them at `out`; returns the record written there.

    record: its members' models name no weights yet, see `member_of`. stored: by a member's study and trial.
    Weights are hard links to the study's files where those lie on the same disk.
    Raises EnsembleError, StudyError, StorageError.
    """
    refuse_existing(out)
    draft = _draft(out)  # beside it, so that the rename stays on one disk
    try:
        draft.mkdir(parents=True)
        written = _Weights(draft, record, stored, progress).record()
        write_prediction(draft / "oof.parquet", tables.oof, tables.paths, record.target.classes)
        write_trained_on(draft, tables.trained_on)
        models = sum(len(member.models) for member in written.members)
        readme = _README.format(classes=len(record.target.classes), models=models)
        write_durably(draft / "README.md", readme.encode())
        write_durably(draft / RECORD, record_bytes(written))
        draft.rename(out)  # whole or not at all
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return written


class _Weights:
    """From the studies' stores into the folder, one file at a time; a fold model in two routes once."""

    def __init__(
        self,
        draft: Path,
        record: EnsembleRecord,
        stored: Mapping[tuple[str, int], StoredMember],
        progress: Progress | None,
    ) -> None:
        self._draft, self._record, self._stored, self._progress = draft, record, stored, progress
        names = list(dict.fromkeys(member.study for member in record.members))
        several = len(names) > 1
        self._folders = {name: f"weights/part{at}" if several else "weights" for at, name in enumerate(names)}
        self._total = sum(len(member.models) for member in record.members)
        self._done = 0
        self._written: dict[str, FoldModel] = {}

    def record(self) -> EnsembleRecord:
        return self._record.with_members(self._member)

    def _member(self, member: Member) -> Member:
        return replace(member, models=tuple(self._model(member, model) for model in member.models))

    def _model(self, member: Member, model: FoldModel) -> FoldModel:
        name = f"{self._folders[member.study]}/{FoldRunKey(member.trial, model.fold)}.safetensors"
        if name not in self._written:
            self._written[name] = self._placed(self._stored[member.study, member.trial], member, model, name)
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        return self._written[name]

    def _placed(self, stored: StoredMember, member: Member, model: FoldModel, name: str) -> FoldModel:
        best = next(best for best in stored.bests if (best.fold, best.epoch) == (model.fold, model.epoch))
        try:
            data = self._bytes(stored.store, best, self._draft / name)
        except StudyError as error:
            raise StudyError(
                f"{stored.study}: {error}, or leave trial {member.trial} out with a smaller --top"
            ) from error
        return replace(model, weights=name, size=len(data), sha256=digest_of(data))

    def _bytes(self, store: CheckpointStore, best: FoldBest, target: Path) -> bytes:
        """What lies at `target` afterwards."""
        source = store.file_of(best.weights)
        if source is None:
            data = read_checkpoint(store, best, best.weights)
            write_durably(target, data)
            return data
        link_or_copy(source, target)
        data = target.read_bytes()  # of what is here now, whatever the store puts there meanwhile
        if not is_as_stored(data, best.weights_digest):
            raise StudyError(
                f"checkpoint {best.weights} is damaged: its {len(data)} bytes are not those that were "
                "stored; restore it from a copy"
            )
        return data


def spellings_of(inputs: EnsembleInputs) -> dict[str, list[str]]:
    """How columns of the training table beside the label's own write each class."""
    if inputs.target.multi_label:
        return {}
    rows = inputs.manifest.frame.iloc[inputs.rows]
    own = ("path", "group", "role", *inputs.target.columns)
    return column_spellings(rows, inputs.labels, len(inputs.target.classes), own)

"""Writes an ensemble's folder, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError, StorageError, StudyError
from orchestrator.core.events import FoldRunKey
from orchestrator.core.file_digest import digest_of
from orchestrator.core.task import Task
from orchestrator.data.extra_rows import train_digest
from orchestrator.data.targets import Joint, given_to_json
from orchestrator.ensemble.folder import FORMAT, RECORD, WORDS, FoldModel, Member
from orchestrator.ensemble.members import EnsembleInputs, StudyCandidates
from orchestrator.ensemble.scoring import Scores
from orchestrator.ensemble.submission.spellings import column_spellings
from orchestrator.ensemble.thresholds import write_thresholds
from orchestrator.ensemble.trained_on import trained_rows, write_trained_on
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.predictions import write_prediction
from orchestrator.study.study import CompleteTrial, read_checkpoint

_README = """This folder is a complete ensemble ({classes} classes, {models} models, {vote} vote). To ask it:

    python -m orchestrator.ensemble --ensemble THIS_FOLDER --predict MANIFEST

    from orchestrator.ensemble import Ensemble
    probabilities = Ensemble.load("THIS_FOLDER").predict(["a.jpg"])

ensemble.json says what it is made of and what it scored, estimates.json what these scores mean;
oof.parquet holds the out-of-fold probabilities,
trained_on.parquet tells images that were trained on from new ones.
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


def write_ensemble(
    out: Path,
    inputs: EnsembleInputs,
    scores: Scores,
    vote: str,
    tta: str | None,
    progress: Progress | None = None,
) -> None:
    """Copies the members' weights and writes the record. Raises EnsembleError, StudyError, StorageError.

    tta: views of an image in predictions; None leaves each member its own.
    """
    refuse_existing(out)
    draft = _draft(out)  # beside it, so that the rename stays on one disk
    try:
        draft.mkdir(parents=True)
        _write(draft, inputs, scores, vote, tta, progress)
        draft.rename(out)  # whole or not at all
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(
    draft: Path, inputs: EnsembleInputs, scores: Scores, vote: str, tta: str | None, progress: Progress | None
) -> None:
    copier = _Copier(draft, inputs, progress)
    paths = [str(path) for path in inputs.manifest.frame["path"]]
    record = {
        "format": FORMAT,
        "classes": list(inputs.target.classes),
        "target": inputs.target.to_json(),
        **_task(inputs.target.task),
        "joint": inputs.target.to_json() if isinstance(inputs.target, Joint) else None,
        **({"spellings": spellings} if (spellings := spellings_of(inputs)) else {}),
        "metric": inputs.metric,
        "mode": inputs.mode,
        "vote": vote,
        "tta": tta,
        "parts": [copier.component(number, candidates) for number, candidates in enumerate(inputs.studies)],
        "estimates": scores.to_json(),
        "metrics": scores.metrics_json(),
        "studies": [candidates.name for candidates in inputs.studies],
        "manifest": {"name": inputs.manifest.name, "fingerprint": inputs.manifest.fingerprint},
        "fold_plan": {
            "k": inputs.plan.k,
            "seed": inputs.plan.seed,
            "fingerprint": inputs.plan.fingerprint,
        },
        "train_digest": train_digest(paths, inputs.plan.folds),
    }
    write_prediction(draft / "oof.parquet", scores.prediction, paths, inputs.target.classes)
    write_thresholds(draft, scores.prediction)
    write_trained_on(
        draft, [trained_rows(candidates.study.manifest(), candidates.space) for candidates in inputs.studies]
    )
    readme = _README.format(classes=len(inputs.target.classes), models=copier.done, vote=vote)
    _write_file(draft / "README.md", readme.encode())
    _write_file(draft / WORDS, json.dumps(scores.words(), indent=1).encode())
    _write_file(draft / RECORD, json.dumps(record, indent=1, allow_nan=False).encode())


def _task(task: Task) -> dict[str, Any]:
    """For other programs, which need not know targets; left out where it says no more than in version 0.2."""
    said = {"multi_label": task.multi_label, "ordered": task.ordered}
    return {"task": said} if any(said.values()) else {}


def spellings_of(inputs: EnsembleInputs) -> dict[str, list[str]]:
    """How columns of the training table beside the label's own write each class."""
    if inputs.target.multi_label:
        return {}
    rows = inputs.manifest.frame.iloc[inputs.rows]
    own = ("path", "group", "role", *inputs.target.columns)
    return column_spellings(rows, inputs.labels, len(inputs.target.classes), own)


class _Copier:
    """Weights from the studies' stores into the folder, one at a time."""

    def __init__(self, draft: Path, inputs: EnsembleInputs, progress: Progress | None) -> None:
        self._draft = draft
        self._several = inputs.combined
        self._progress = progress
        self._total = sum(
            len(trial.bests) for candidates in inputs.studies for trial, _ in candidates.members
        )
        self.done = 0

    def component(self, number: int, candidates: StudyCandidates) -> dict[str, Any]:
        folder = f"weights/part{number}" if self._several else "weights"
        store = candidates.study.store()
        members = [asdict(self._member(trial, store, folder, candidates)) for trial, _ in candidates.members]
        return {
            "study": candidates.name,
            "trainable": candidates.space.trainable,
            "target": candidates.space.target.to_json(),
            "members": members,
            **({} if candidates.space.given is None else {"given": given_to_json(candidates.space.given)}),
            **({"own_code": own} if (own := candidates.study.header.own_code) else {}),
        }

    def _member(
        self, trial: CompleteTrial, store: CheckpointStore, folder: str, candidates: StudyCandidates
    ) -> Member:
        models = []
        for best in trial.bests:
            name = f"{folder}/{FoldRunKey(trial.number, best.fold)}.safetensors"
            try:
                data = read_checkpoint(store, best, best.weights)
            except StudyError as error:
                raise StudyError(
                    f"{candidates.study.path}: {error}, or leave trial {trial.number} out with a smaller "
                    "--top"
                ) from error
            _write_file(self._draft / name, data)
            digest = digest_of(data)
            models.append(FoldModel(best.fold, best.epoch, best.score, name, len(data), digest))
            self.done += 1
            if self._progress is not None:
                self._progress(self.done, self._total)
        return Member(trial.number, trial.score, candidates.config(trial), tuple(models))


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

"""A study on disk: the journal, the frozen manifest and folds, and every file name. The only writer.

runs/<name>/journal.jsonl      append-only, one event a line, fsynced; the state of the study
            manifest.parquet   the rows as they were
            folds.parquet      row -> fold
            images.parquet     size and digest of the image files (orchestrator.image_files)
            checkpoints/       what fold runs stored (orchestrator.checkpoints), without --storage
            oof/t0003.parquet  out-of-fold probabilities of each complete trial
            trials.parquet     one row per trial        (exports, made from the journal)
            epochs.parquet     one row per fold-epoch
            lock               held by the driver
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.core.dataset import ImageFiles
from orchestrator.core.errors import StorageError, StudyError
from orchestrator.core.events import Event, FoldRunKey, Opened, Proposed, from_json, to_json
from orchestrator.data.folds import FoldPlan
from orchestrator.data.image_record import write_files
from orchestrator.data.manifest import Manifest
from orchestrator.space import SearchSpace
from orchestrator.storage import DirectoryStore, join, open_store
from orchestrator.storage.checkpoint_files import oof_name, weights_name
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.history import History

FORMAT = 1


@dataclass(frozen=True)
class FoldBest:
    """The checkpoint kept of one fold run; weights and oof are names in the study's store."""

    fold: int
    epoch: int
    score: float
    weights: str
    oof: str


@dataclass(frozen=True)
class CompleteTrial:
    """A trial that owns all folds; score: mean over folds of the best epoch's metric."""

    number: int
    score: float
    config: dict[str, Any]
    bests: tuple[FoldBest, ...]


class Study:
    """One search on disk. `read` looks at it, `create` and `open` hold its lock and may append."""

    def __init__(self, path: Path, events: Sequence[Event], started: float) -> None:
        self.path = path
        self.events: list[Event] = list(events)
        self.started = started
        self.cut_bytes = 0  # of a torn last line, when opened
        self._lock: FileLock | None = None
        self._journal: int | None = None

    # ---- opening ----

    @classmethod
    def create(
        cls,
        path: Path,
        header: dict[str, Any],
        manifest: Manifest,
        plan: FoldPlan,
        images: ImageFiles | None = None,
    ) -> Study:
        """A new study with its lock held. images: None, there is nothing to tell them by later.

        The journal's first line, which makes it a study, is written when all else is there. Raises StudyError
        when there is one already, StorageError.
        """
        if has_journal(path):
            raise StudyError(
                f"study {path} exists; continue it with --resume, or name another with --study "
                "(nothing was changed)"
            )
        path.mkdir(parents=True, exist_ok=True)
        study = cls(path, [], time.time())
        study._take_lock()
        study.journal_path.unlink(missing_ok=True)  # a first line that was never whole
        manifest.write(study.manifest_path)
        plan.write(study.folds_path)
        study.images_path.unlink(missing_ok=True)  # of a study that never began
        if images is not None:
            write_files(study.images_path, images)
        study.append(Opened({"format": FORMAT, **header}))
        return study

    @classmethod
    def open(cls, path: Path) -> Study:
        """An existing study with its lock held; a torn last line of its journal is cut off."""
        journal = _journal_of(path)
        study = cls(path, [], 0.0)
        study._take_lock()
        events, started, good_bytes = _parse(journal)
        study.events, study.started = events, started
        study.cut_bytes = journal.stat().st_size - good_bytes
        if study.cut_bytes:
            os.truncate(journal, good_bytes)
        return study

    @classmethod
    def read(cls, path: Path) -> Study:
        """A look without the lock, at any time. Raises StudyError."""
        events, started, _ = _parse(_journal_of(path))
        return cls(path, events, started)

    def _take_lock(self) -> None:
        lock = FileLock(self.path / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StudyError(
                f"study {self.path} is being driven by another process; wait for it or end it first"
            ) from None
        self._lock = lock

    def close(self) -> None:
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # ---- writing ----

    def append(self, *events: Event) -> None:
        """Writes and fsyncs the events before returning. Raises StorageError (nothing half is kept)."""
        if self._lock is None:
            raise StudyError(f"study {self.path} was opened for reading")
        now = round(time.time(), 3)
        lines = [json.dumps({"time": now, **to_json(event)}, allow_nan=False) + "\n" for event in events]
        try:
            if self._journal is None:
                self._journal = os.open(self.journal_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            _append_whole(self._journal, "".join(lines).encode())
        except OSError as error:
            raise StorageError(
                f"cannot write {self.journal_path}: {error.strerror}; "
                "correct that, then continue with --resume"
            ) from error
        self.events.extend(events)

    # ---- what it says ----

    @property
    def header(self) -> dict[str, Any]:
        opened = self.events[0]
        assert isinstance(opened, Opened)  # _parse and create see to it
        return opened.header

    @cached_property
    def space(self) -> SearchSpace:
        return SearchSpace.from_json(self.header["space"])

    @property
    def configs(self) -> dict[int, dict[str, Any]]:
        return {event.trial: event.config for event in self.events if isinstance(event, Proposed)}

    def complete_trials(self) -> list[CompleteTrial]:
        """Trials that own all folds, best first."""
        space, configs = self.space, self.configs
        history = History(space.mode, self.events)
        found = []
        for number in history.complete(space.folds, space.max_t):
            bests = tuple(_fold_best(history, FoldRunKey(number, fold)) for fold in range(space.folds))
            mean = sum(best.score for best in bests) / len(bests)
            found.append(CompleteTrial(number, mean, configs[number], bests))
        sign = -1.0 if space.mode == "max" else 1.0
        return sorted(found, key=lambda trial: (sign * trial.score, trial.number))

    def manifest(self) -> Manifest:
        return Manifest.read(self.manifest_path)

    def fold_plan(self) -> FoldPlan:
        return FoldPlan.read(self.folds_path)

    def store(self) -> CheckpointStore:
        """Where its fold runs' files are: below the place given with --storage, else in its own folder."""
        place = self.header.get("storage")
        if place is not None:
            return open_store(join(place, self.header["name"]))
        return DirectoryStore((self.path / "checkpoints").resolve())  # workers may stand elsewhere

    # ---- names ----

    @property
    def journal_path(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def manifest_path(self) -> Path:
        return self.path / "manifest.parquet"

    @property
    def images_path(self) -> Path:
        return self.path / "images.parquet"

    @property
    def folds_path(self) -> Path:
        return self.path / "folds.parquet"

    def oof_path(self, trial: int) -> Path:
        return self.path / "oof" / f"t{trial:04d}.parquet"


def newest_study(runs: Path) -> Path:
    """The study that started last. Raises StudyError when there is none."""
    folders = [path.parent for path in runs.glob("*/journal.jsonl")]
    started = {path: time_begun for path in sorted(folders) if (time_begun := _time_begun(path)) is not None}
    if not started:
        raise StudyError(
            f"no study in {runs}; run `python -m orchestrator.tune --space SPACE` first, "
            "or name one with --study"
        )
    return max(started, key=lambda path: started[path])


def has_journal(path: Path) -> bool:
    """Whether a study was begun there: its first line is whole."""
    return _first_line(path / "journal.jsonl").endswith(b"\n")


def _time_begun(path: Path) -> float | None:
    """When a study began; None: its journal cannot be read, which only who names that study needs to hear."""
    try:
        return float(json.loads(_first_line(path / "journal.jsonl"))["time"])
    except (ValueError, KeyError, TypeError):
        return None


def _first_line(journal: Path) -> bytes:
    if not journal.is_file():
        return b""
    with journal.open("rb") as file:
        return file.readline()


def _fold_best(history: History, key: FoldRunKey) -> FoldBest:
    best = history.best(key)
    assert best is not None  # a complete fold run has epochs
    return FoldBest(
        key.fold, best.epoch, best.score, weights_name(key, best.epoch), oof_name(key, best.epoch)
    )


def _journal_of(path: Path) -> Path:
    journal = path / "journal.jsonl"
    if not has_journal(path):
        raise StudyError(f"{path} is no study: it has no journal; name the folder of one")
    return journal


def _parse(journal: Path) -> tuple[list[Event], float, int]:
    """Events, time of the first one, and how many bytes hold whole lines."""
    data = journal.read_bytes()
    good = data.rfind(b"\n") + 1
    lines = data[:good].split(b"\n")[:-1]
    events: list[Event] = []
    started = 0.0
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            events.append(from_json(record))
            started = started or float(record["time"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == len(lines) and number > 1:
                return events, started, good - len(line) - 1  # torn, though its newline is there
            raise StudyError(
                f"{journal}:{number}: not a journal line ({error}); restore the file from a copy, or cut it "
                f"before that line (head -n {number - 1}) and lose what came after"
            ) from error
    if not events or not isinstance(events[0], Opened):
        raise StudyError(f"{journal}: does not begin with the line that opens a study; start it anew")
    if events[0].header.get("format") != FORMAT:
        found = events[0].header.get("format")
        raise StudyError(f"{journal}: format {found} is not {FORMAT}; use the version that wrote it")
    return events, started, good


def _append_whole(file: int, data: bytes) -> None:
    """Appends and fsyncs; what was written of it is taken back when it doesn't fit."""
    size = os.fstat(file).st_size
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise

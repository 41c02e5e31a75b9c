"""A search on disk: what its journal says, and the only writer of it. Its files: orchestrator.study.files."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.dataset import ImageFiles
from orchestrator.core.errors import InputError, OrchestratorError, StorageError, StudyError
from orchestrator.core.events import MOST, Closed, Event, Extended, FoldRunKey, Opened, Proposed, State
from orchestrator.core.file_digest import is_as_stored
from orchestrator.core.links import stranger_fault
from orchestrator.core.text import shortened
from orchestrator.data.folds import FoldPlan
from orchestrator.data.image_record import write_files
from orchestrator.data.manifest import Manifest
from orchestrator.data.parquet_files import frame_of, write_table
from orchestrator.evaluation.confidence_set import ConfidenceSet
from orchestrator.race.contract import OUT, TrialStatus
from orchestrator.space import SearchSpace
from orchestrator.space.own_code import known_beside
from orchestrator.storage import DirectoryStore, join, open_store
from orchestrator.storage.checkpoint_files import oof_name, weights_name
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.best_trials import best_trials, with_best
from orchestrator.study.comparing import Comparison, compare_studies
from orchestrator.study.driver_lock import take_lock
from orchestrator.study.epoch_predictions import EpochPredictions
from orchestrator.study.exports import epochs_table, statuses_of, trials_table
from orchestrator.study.files import StudyFiles
from orchestrator.study.header import StudyHeader
from orchestrator.study.history import History
from orchestrator.study.journal import JournalReader, JournalWriter, has_journal, is_same_file
from orchestrator.study.predictions import Prediction, is_made_of, read_prediction
from orchestrator.study.rescoring import rescored
from orchestrator.study.sequence import first_misfit
from orchestrator.study.sources import sources_over_time
from orchestrator.study.summary import StudySummary, newest_estimate, study_html
from orchestrator.study.trial_states import TrialStates

_MOST = {"folds": 10_000, "trials": MOST, "max_t": MOST, "finalists": MOST}
"""Numbers of a space that a damaged digit, or somebody, could make into ones that take all memory."""


@dataclass(frozen=True)
class FoldBest:
    """The checkpoint kept of one fold run."""

    fold: int
    epoch: int  # epochs done, from 1
    score: float  # the metric after that epoch
    weights: str  # name in the study's store
    oof: str  # the same, of its out-of-fold probabilities
    weights_digest: str = ""  # SHA-256 (hex) of what was stored; "": none was kept, as until version 0.2
    oof_digest: str = ""

    @property
    def digests(self) -> dict[str, str]:
        """By name in the store."""
        return {self.weights: self.weights_digest, self.oof: self.oof_digest}


@dataclass(frozen=True)
class CandidateTrial:
    """A trial that has all folds, whose best epochs are there to vote."""

    number: int  # from 0
    score: float  # mean over folds of the best epoch's metric
    config: dict[str, Any]
    bests: tuple[FoldBest, ...]  # one for each fold, in their order
    epochs: tuple[int, ...] = ()  # done, of each fold


class CompleteTrial(CandidateTrial):
    """A trial that has all folds at full length."""


Candidate = TypeVar("Candidate", bound=CandidateTrial)


class Study:
    """One search on disk. `Study(path)` looks at it; `create` and `open` hold its lock and may append."""

    def __init__(self, path: Path | str, *, trust: bool = False) -> None:
        """Reads the journal without the lock, at any time. Raises StudyError.

        trust: whether links in the folder may be followed out of it.
        """
        self.path = Path(path)
        self._trust = trust
        self.files = StudyFiles(self.path)
        _refuse_unusable(self.path, trust)
        reader = JournalReader(self.files.journal)
        self.events: list[Event] = reader.new_events()
        self.started = reader.started  # unix seconds
        self.ended = reader.ended  # of the last event read; unix seconds
        self.cut_bytes = 0  # of a torn last line, when opened
        self._bytes_read = reader.bytes_read
        self._lock: FileLock | None = None
        self._lock_held: os.stat_result | None = None  # what the lock was when it was taken
        self._writer: JournalWriter | None = None
        self.header = _header_of(self.files.journal, self.events)
        _refuse_misfit(self.files.journal, self.events)

    # ---- opening ----

    @classmethod
    def create(
        cls,
        path: Path,
        header: StudyHeader,
        manifest: Manifest,
        plan: FoldPlan,
        images: ImageFiles | None = None,
    ) -> Study:
        """A new study with its lock held. images: None, there is nothing to tell them by later.

        The header is written with the fingerprints of these rows and folds, whatever it says of them.

        The journal's first line, which makes it a study, is written when all else is there. Raises StudyError
        when there is one already, StorageError.
        """
        if has_journal(path):
            raise StudyError(
                f"study {path} exists; continue it with --resume, or name another with --study "
                "(nothing was changed)"
            )
        path.mkdir(parents=True, exist_ok=True)
        files = StudyFiles(path)
        lock = take_lock(files)
        files.journal.unlink(missing_ok=True)  # a first line that was never whole
        manifest.write(files.manifest)
        plan.write(files.folds)
        files.images.unlink(missing_ok=True)  # of a study that never began
        if images is not None:
            write_files(files.images, images)
        known = {**header.manifest, "fingerprint": manifest.fingerprint}
        header = replace(header, manifest=known, fold_plan=plan.fingerprint)
        writer = JournalWriter(files.journal)
        writer.append(Opened(header.to_json()))
        return cls(path, trust=True)._held(lock, writer)  # links that were there are the user's own

    @classmethod
    def open(cls, path: Path, *, trust: bool = False) -> Study:
        """An existing study with its lock held; a torn last line of its journal is cut off."""
        files = StudyFiles(path)
        _refuse_unusable(path, trust)  # before a lock is left there
        _refuse_shared(files)
        lock = take_lock(files)
        writer = JournalWriter(files.journal)
        try:
            writer.hold()
            study = cls(path, trust=trust)
        except OrchestratorError:
            writer.close()
            lock.release()
            raise
        study.cut_bytes = files.journal.stat().st_size - study._bytes_read
        if study.cut_bytes:
            writer.cut(study._bytes_read)
        return study._held(lock, writer)

    def _held(self, lock: FileLock, writer: JournalWriter) -> Study:
        self._lock, self._writer = lock, writer
        self._lock_held = self.files.lock.stat()
        return self

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # ---- writing ----

    def append(self, *events: Event) -> None:
        """Writes and fsyncs the events before returning. Raises StorageError (nothing half is kept)."""
        if self._writer is None:
            raise StudyError(f"study {self.path} was opened for reading")
        if self._lock_held is not None and not is_same_file(self.files.lock, self._lock_held):
            raise StorageError(
                f"{self.files.lock} was removed or replaced while this command drove the study, so it stops; "
                "see that no other command drives it, then continue with --resume"
            )
        self._writer.append(*events)
        self.events.extend(events)

    def export(self, statuses: Sequence[TrialStatus]) -> None:
        """Replaces trials.parquet and epochs.parquet, each whole or not at all. Raises StorageError."""
        write_table(self.files.trials, trials_table(self.configs, statuses))
        write_table(self.files.epochs, epochs_table(self.space.mode, self.events))

    # ---- what it says ----

    @cached_property
    def space(self) -> SearchSpace:
        """Raises StudyError for a header whose space is none."""
        try:
            found = SearchSpace.from_json(self.header.space)
            large = [name for name, most in _MOST.items() if getattr(found, name) > most]
            if large:
                raise ValueError(f"{large[0]} is {getattr(found, large[0])}, more than {_MOST[large[0]]}")
            return found
        except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise StudyError(
                f"{self.files.journal}:1: the space in the header is none ({type(error).__name__}: {error}); "
                "restore the file from a copy"
            ) from error

    @property
    def trials(self) -> int:
        """How many there are to be in all, as it was last extended."""
        return max(
            (item.trials for item in self.events if isinstance(item, Extended)), default=self.space.trials
        )

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """Package -> digests of the code it ran with, one for each session that had another."""
        return sources_over_time(self.header.sources, self.events)

    @property
    def configs(self) -> dict[int, dict[str, Any]]:
        return {event.trial: event.config for event in self.events if isinstance(event, Proposed)}

    def complete_trials(self) -> list[CompleteTrial]:
        """Trials that have all folds at full length and were not out by then, best first.

        A slot may finish the last epoch of a trial that was pruned meanwhile: it is a candidate only.
        """
        return self._with_all_folds(CompleteTrial, self.space.max_t, OUT)

    def candidate_trials(self) -> list[CandidateTrial]:
        """What a vote may be made of: complete trials, best first; then the others that have begun all folds
        and whose best epochs are stored, best first by what they reached.

        These were pruned on the last rung, or are parked; one that failed is not among them.
        """
        complete = self.complete_trials()
        others = self._with_all_folds(CandidateTrial, 1, (State.FAIL,))
        stored = set(self.store().names()) if others else set()
        known = {trial.number for trial in complete}
        return [
            *complete,
            *(
                trial
                for trial in others
                if trial.number not in known and all(stored.issuperset(best.digests) for best in trial.bests)
            ),
        ]

    def _with_all_folds(self, kind: type[Candidate], epochs: int, but: Collection[State]) -> list[Candidate]:
        """Best first. but: states they are not in."""
        space, configs = self.space, self.configs
        history = History(space.mode, self.events, self.header.epoch_choice)
        states = TrialStates(self.events)
        found = []
        for number in history.with_all_folds(space.folds, epochs):
            if states.of_trial(number) not in but:
                keys = [FoldRunKey(number, fold) for fold in range(space.folds)]
                bests = tuple(_fold_best(history, key) for key in keys)
                mean = sum(best.score for best in bests) / len(bests)
                found.append(kind(number, mean, configs[number], bests, tuple(map(history.done, keys))))
        sign = -1.0 if space.mode == "max" else 1.0
        return sorted(found, key=lambda trial: (sign * trial.score, trial.number))

    def leaderboard(self, may_be_best: ConfidenceSet | None = None) -> pd.DataFrame:
        """A row per trial, best first: trial, state, score, may_be_best, minus_best, minus_best_low,
        minus_best_high, folds_complete, epochs_spent, reason, config (as JSON) and a column param_<name> for
        each parameter.

        score: mean over the folds a trial began of its best epoch's metric. Trials with all folds come first;
        the score of one with fewer does not compare with theirs. may_be_best: of complete trials, whether one
        is in the `confidence_set`; missing for others, and for all where there is none. minus_best: of
        complete trials, the mean difference to the first, fold by fold, with the ends of its corrected 95% t
        interval, which says whether models trained on other rows would differ too.

        may_be_best: the `confidence_set`, of who has made it.
        """
        configs = self.configs
        table = trials_table(
            configs, statuses_of(list(configs), self.space, self.events, self.header.epoch_choice)
        )
        frame = frame_of(table)
        frame = frame.drop(columns="rung", errors="ignore")  # a rung is a rule's, which is not asked here
        if frame.empty:
            return frame
        return with_best(frame, self.complete_trials(), may_be_best or self.confidence_set())

    def confidence_set(self, level: float = 0.9, repeats: int = 500, seed: int = 0) -> ConfidenceSet:
        """The complete trials that may be the best: the best is among them in at least `level` of studies.

        Of 20 trials on 18,900 rows it takes seconds. repeats: resamples of the groups. Where it cannot be
        made (a trial's predictions are missing, a metric of one's own), its `reason` says why.
        """
        return best_trials(self, level, repeats, np.random.default_rng(seed))

    def curves(self) -> pd.DataFrame:
        """A row per trial, fold and epoch: trial, fold, epoch, score, best_score (so far), seconds, and a
        column for each metric that the trainable reported."""
        return frame_of(epochs_table(self.space.mode, self.events))

    def rescored(self, metric: str, mode: str = "") -> pd.DataFrame:
        """The epochs of `curves` by another metric: trial, fold, epoch, score, best_score (so far).

        From the probabilities that are kept of every epoch, dropped trials' too; an epoch whose file is
        missing or damaged has no row, and `attrs["note"]` tells of it. They are float16, rounded so that no
        class or label is decided otherwise; `benchmarks.kept_predictions` measures what that changes of other
        scores. mode: "max" or "min", of a metric of your own ("module:function"). Raises StudyError where
        none are kept, SearchSpaceError for a metric that is unknown or does not suit the target.
        """
        kept = EpochPredictions.open(self)
        found = rescored(kept, self.space.target, metric, mode)
        found.attrs["note"] = kept.note
        return found

    def oof(self, trial: int) -> Prediction:
        """The out-of-fold probabilities of a complete trial. Raises StudyError for another."""
        complete = {item.number: item for item in self.complete_trials()}
        if trial not in complete:
            raise StudyError(
                f"study {self.path}: trial {trial} has no out-of-fold predictions, as only complete trials "
                f"have; complete: {shortened([str(number) for number in complete], limit=8) or 'none'}"
            )
        path = self.files.oof(trial)
        if not path.is_file():  # its driver was killed just before it wrote them
            raise StudyError(f"{path} is missing; `python -m orchestrator.tune --resume` writes it anew")
        prediction = read_prediction(path)[0]
        if fault := self._fault_of(complete[trial], prediction):
            raise StudyError(
                f"{path}: {fault}; delete it, then `python -m orchestrator.tune --resume --study "
                f"{self.path}` writes it anew"
            )
        return prediction

    def _fault_of(self, trial: CompleteTrial, found: Prediction) -> str:
        """Why a table of predictions is not that of a complete trial; "" where it is."""
        folds, labels = self._folds_and_labels
        scored = np.flatnonzero(folds >= 0)
        if not (np.array_equal(found.rows, scored) and np.array_equal(found.folds, folds[scored])):
            return "its folds are not the study's"
        if not np.array_equal(found.labels, labels[scored]):
            return "its labels are not the study's"
        digests = {best.fold: best.oof_digest for best in trial.bests}
        return "" if is_made_of(found, digests) else "it is damaged"

    @cached_property
    def _folds_and_labels(self) -> tuple[NDArray[np.int16], Labels]:
        """Of every manifest row; read once for all trials."""
        return self.fold_plan().folds, self.space.target.encode(self.manifest().frame)

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r})"

    def _repr_html_(self) -> str:
        return study_html(self.summary())

    def summary(self) -> StudySummary:
        """What a notebook shows of it first."""
        complete = self.complete_trials()
        best = complete[0] if complete else None
        return StudySummary(
            path=self.path,
            metric=f"{self.header.metric} ({self.header.mode})",
            state=self.state,
            trials=len(self.configs),
            complete=len(complete),
            best=None if best is None else (best.number, best.score),
            folds=() if best is None else [item.score for item in best.bests],
            estimate=newest_estimate(self.path),
        )

    @property
    def state(self) -> str:
        """How its last driver ended: finished, interrupted or stopped; open: it has not, or was killed."""
        last = self.events[-1]
        return last.outcome if isinstance(last, Closed) else "open"

    def compare(self, other: Study | Path | str) -> Comparison:
        """Another study's best trial minus this one's, on the same rows; see the function `compare`."""
        return compare(self, other)

    def manifest(self) -> Manifest:
        """The rows it began with. Raises ManifestError, StudyError for a file that holds others."""
        return self._manifest

    @cached_property
    def _manifest(self) -> Manifest:
        found = Manifest.read(self.files.manifest)
        self._refuse_others("rows", self.files.manifest, found.fingerprint, self.header.rows_fingerprint)
        return found

    def fold_plan(self) -> FoldPlan:
        """The folds it began with. Raises FoldPlanError, StudyError for a file that holds others."""
        return self._fold_plan

    @cached_property
    def _fold_plan(self) -> FoldPlan:
        found = FoldPlan.read(self.files.folds)
        self._refuse_others("folds", self.files.folds, found.fingerprint, self.header.fold_plan)
        rows = self._manifest  # an early header names no fold plan
        if (found.manifest_fingerprint, found.k) != (rows.fingerprint, self.space.folds):
            raise StudyError(
                f"{self.files.folds}: it holds {found.k} folds of other rows, or another number of folds "
                f"than the study's {self.space.folds}; restore the file from a copy"
            )
        return found

    def _refuse_others(self, what: str, path: Path, found: str, begun_with: str) -> None:
        """With other folds its models would be judged by rows that they trained on."""
        if begun_with not in ("", found):
            raise StudyError(
                f"{path}: its {what} (fingerprint {found[:12]}) are not those that the study began with "
                f"({begun_with[:12]} in its journal); restore the file from a copy, or begin another study"
            )

    def store(self) -> CheckpointStore:
        """Where its fold runs' files are: below the place given with --storage, else in its own folder."""
        if self.header.storage is not None:
            _refuse_path(self.files.journal, self.header.name)
            return open_store(join(self.header.storage, self.header.name))
        folder = self.files.checkpoints
        if not self._trust and not folder.is_relative_to(self.path.resolve()):
            raise StudyError(stranger_fault(self.path, "study", trust=False))  # a link made since
        return DirectoryStore(folder)


def _fold_best(history: History, key: FoldRunKey) -> FoldBest:
    best = history.best(key)
    assert best is not None  # a complete fold run has epochs
    return FoldBest(
        key.fold,
        best.epoch,
        best.score,
        weights_name(key, best.epoch),
        oof_name(key, best.epoch),
        history.digest(key, best.epoch, "weights"),
        history.digest(key, best.epoch, "oof"),
    )


def read_checkpoint(store: CheckpointStore, best: FoldBest, name: str) -> bytes:
    """The weights or the out-of-fold probabilities of it. Raises StudyError for other bytes or none."""
    try:
        data = store.get(name)
    except KeyError:
        raise StudyError(f"checkpoint {name} is missing; restore it from a copy") from None
    if not is_as_stored(data, best.digests[name]):
        raise StudyError(
            f"checkpoint {name} is damaged: its {len(data)} bytes are not those that were stored; restore it "
            "from a copy"
        )
    return data


def _refuse_unusable(path: Path, trust: bool) -> None:
    if fault := stranger_fault(path, "study", trust):
        raise StudyError(fault)
    if not has_journal(path):
        raise StudyError(f"{path} is no study: it has no journal; name the folder of one")


def _refuse_shared(files: StudyFiles) -> None:
    """What is written into, and not replaced, may be no other file as well: `cp -al` makes such copies."""
    for path in (files.journal, files.lock):
        if path.exists() and path.stat().st_nlink > 1:
            raise StudyError(
                f"{path} has another name, too (a hard link), under which it would change; make it one "
                f"of its own: mv {path.name} {path.name}.old && cp {path.name}.old {path.name}"
            )


def _refuse_path(journal: Path, name: str) -> None:
    """The folder below --storage is called as the study is: a name with a way in it would lead elsewhere."""
    if name in ("", ".", "..") or any(sign in name for sign in "/\\?#"):
        raise StudyError(f"{journal}: the study's name {name!r} is no name of a folder; restore the journal")


def _header_of(journal: Path, events: Sequence[Event]) -> StudyHeader:
    """Raises StudyError unless the first event opens a study of this format."""
    if not events or not isinstance(events[0], Opened):
        raise StudyError(f"{journal}: does not begin with the line that opens a study; start it anew")
    try:
        return StudyHeader.from_json(events[0].header)
    except StudyError as error:
        raise StudyError(f"{journal}: {error}") from error


def _refuse_misfit(journal: Path, events: Sequence[Event]) -> None:
    """A journal that two drivers wrote would be read as something that neither did."""
    misfit = first_misfit(events)
    if misfit is not None:
        raise StudyError(
            f"{journal}:{misfit.number + 1}: {misfit.fault}, as where two commands drove the study at once;\n"
            f"restore the file from a copy, or keep the {misfit.number} lines before it, which are good "
            f"(head -n {misfit.number}), and continue with --resume"
        )


def compare(
    first: Study | Path | str,
    second: Study | Path | str,
    *,
    trials: tuple[int | None, int | None] = (None, None),
    seed: int = 0,
    repeats: int = 2000,
    trust: bool = False,
) -> Comparison:
    """The paired difference of two trials' out-of-fold predictions, over resampled groups.

    trials: one complete trial of each study; None: its best by the mean over folds. Both choices were made on
    these very rows, which the interval does not count in. trust: a metric of their own may be imported that
    is neither installed nor known here, and links followed. Raises StudyError where the two validated other
    rows, folds, groups, labels or classes, or are judged by another metric; NoCompleteTrialError.
    """
    one, other = (item if isinstance(item, Study) else Study(item, trust=trust) for item in (first, second))
    for study in (one, other):
        known_beside(study.header.own_code, [study.header.metric], study.path, trust)
    return compare_studies(one, other, trials, np.random.default_rng(seed), repeats)

"""One slot's work: take an assignment, build or continue its fold run, run it epoch by epoch.

Runs in the driver's process (inline) or in a Ray actor; knows neither. What an epoch left behind is in the
store before its outcome is returned: a thread writes it, and where writing is slow the next epoch of the leg
is trained meanwhile (background_writer.py). The state to go on from is stored every so many seconds and at
the end of a leg; what an epoch predicted, and the weights of the best one, always.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import NonFiniteError, StorageError, TrainableError
from orchestrator.core.events import EpochEnded, FoldRunKey, Leg, LegFailed
from orchestrator.core.failure_causes import is_gpu_memory
from orchestrator.core.metrics import log_loss
from orchestrator.core.probabilities import shape_fault, value_fault
from orchestrator.core.trainable import Resources, Trainable, load_trainable
from orchestrator.evaluation.calibration import fit_temperature
from orchestrator.execution.background_writer import Files, Writer
from orchestrator.execution.resume_state import ResumeState, ResumeStateGoneError, newest_state, stored_states
from orchestrator.storage.checkpoint_files import (
    oof_name,
    probabilities_name,
    resume_name,
    superseded,
    weights_name,
)
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.epoch_choice import DEFAULT, REFINE, REFINED, merit
from orchestrator.study.history import Best
from orchestrator.study.kept_probabilities import KIND, probabilities_to_bytes
from orchestrator.study.predictions import fold_to_bytes


@dataclass(frozen=True)
class LegAssignment:
    """All a slot needs for a leg."""

    leg: Leg
    config: dict[str, Any]  # parameter -> value
    max_epochs: int  # of the fold run, were it to run to its end
    seed: int  # of the fold run
    best: Best | None  # of the epochs already done; None before the first
    resume_digests: Sequence[str] = ()  # after epochs 1, 2, ..., see `History.resume_digests`
    epoch_choice: str = "best"  # which epoch is kept, a key of `epoch_choice.CHOICES`
    checkpoint_every: float = 0.0  # seconds of finished epochs whose state need not be stored inside the leg


@dataclass(frozen=True)
class StorageFailed:
    """The store refused an epoch: not the fold run's fault, the study has to stop."""

    trial: int
    fold: int
    error: str


@dataclass(frozen=True)
class _Trained:
    """An epoch in memory, not stored yet."""

    epoch: int
    score: float
    metrics: dict[str, float]
    probabilities: NDArray[np.float32]
    seconds: float


Outcome = EpochEnded | LegFailed | StorageFailed


class FoldRunWorker:
    """Runs legs one after another; keeps the last fold run in memory in case its next leg comes here."""

    def __init__(
        self,
        dataset: Dataset,
        trainable: str,
        store: CheckpointStore,
        resources: Resources | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._dataset = dataset
        self._trainable = trainable
        self._store = store
        self._resources = resources or Resources()
        self._clock = clock
        self._writer = Writer(store, clock)
        self._run: Trainable | None = None
        self._key: FoldRunKey | None = None
        self._epoch = 0  # stored; the fold run in memory is one further where `_ahead` is set
        self._ahead: _Trained | Exception | None = None
        self._best: Best | None = None
        self._epoch_choice = DEFAULT
        self._previous_best: Best | None = None
        self._states: list[int] = []  # epochs of the two newest resume states that are stored
        self._unstored_s = 0.0  # in which the epochs since were trained
        self._changed = True  # whether the last epoch left files that others are superseded by
        self._assignment: LegAssignment | None = None
        self._rebuild = True

    def start(self, assignment: LegAssignment, resources: Resources | None = None) -> None:
        """Takes an assignment; what can fail happens in `step`, so that it comes back as an outcome.

        resources: what it may use from now on; with None that stays as it was.
        """
        self._resources = resources or self._resources
        leg = assignment.leg
        continues = self._run is not None and (self._key, self._epoch) == (leg.key, leg.start)
        self._rebuild = not continues
        self._assignment = assignment

    @property
    def begins(self) -> bool:
        """Whether the next step builds a fold run, rather than going on with the one in memory."""
        return self._rebuild

    def step(self) -> Outcome:
        """One epoch of the assignment: trained, validated, stored. Never raises for what a fold run did."""
        assignment = self._assignment
        assert assignment is not None  # start comes first
        leg = assignment.leg
        try:
            if self._rebuild:
                self._build(assignment)
            return self._store_epoch(assignment, self._next_trained())
        except ResumeStateGoneError as error:
            # Not the fold run's fault, and a dead process would look the same: again, from what there is.
            return LegFailed(leg.trial, leg.fold, error.epoch, "lost", str(error))
        except StorageError as error:
            self.release()
            return StorageFailed(leg.trial, leg.fold, str(error))
        except Exception as error:
            failed = _failure(leg, leg.start if self._rebuild else self._epoch, error, self._resources)
            _let_go_of_frames(error)
            self.release()
            return failed

    def release(self) -> None:
        """Frees the fold run in memory, if any, once nothing of it is being written."""
        self._writer.drain()
        run, self._run, self._key, self._ahead = self._run, None, None, None
        if run is not None:
            run.close()

    def _build(self, assignment: LegAssignment) -> None:
        self.release()
        leg = assignment.leg
        state = newest_state(self._store, leg.key, leg.start, assignment.resume_digests)
        run = load_trainable(self._trainable)(
            self._dataset,
            leg.fold,
            assignment.config,
            assignment.max_epochs,
            assignment.seed,
            self._resources,
        )
        self._run, self._key, self._epoch = run, leg.key, leg.start
        self._load_state(run, state, leg)
        self._states = stored_states(assignment.resume_digests, state.epoch)[-2:]
        self._catch_up(run, state.epoch, leg.start)
        self._best = self._previous_best = assignment.best
        self._epoch_choice = assignment.epoch_choice
        self._writer.forget()
        self._rebuild = False

    def _catch_up(self, run: Trainable, stored: int, done: int) -> None:
        """Trains again the epochs that were told and whose states were not stored."""
        started = self._clock()
        for _ in range(stored, done):
            run.run_epoch()
        self._changed = True
        self._unstored_s = self._clock() - started

    def _load_state(self, run: Trainable, state: ResumeState, leg: Leg) -> None:
        """Bytes that don't load are damaged, unless their digest says that they are what was stored."""
        if state.data is None:
            return
        try:
            run.load_state(state.data)
        except Exception as error:
            if state.digest or _is_for_memory(error):
                raise
            self.release()
            what = f"{resume_name(leg.key, state.epoch)} cannot be loaded ({type(error).__name__}: {error})"
            raise ResumeStateGoneError(what, 0) from error

    def _next_trained(self) -> _Trained:
        """The epoch that was trained ahead, or raises what that raised; else trains one."""
        ahead, self._ahead = self._ahead, None
        if isinstance(ahead, Exception):
            raise ahead
        return ahead or self._train(self._epoch + 1)

    def _train(self, epoch: int) -> _Trained:
        run = self._run
        assert run is not None  # _build comes first
        started = self._clock()
        metrics = {name: float(value) for name, value in run.run_epoch().items()}
        score = metrics[self._dataset.metric]
        probabilities = np.asarray(run.probabilities(), dtype=np.float32)
        if not math.isfinite(score):
            raise NonFiniteError(f"epoch {epoch}: the score is not finite: {metrics}")
        self._check(probabilities, epoch)
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        if self._epoch_choice == REFINE:
            finite[REFINED] = self._refined_log_loss(probabilities)
        return _Trained(epoch, score, finite, probabilities, self._clock() - started)

    def _check(self, probabilities: NDArray[np.float32], epoch: int) -> None:
        """Raises TrainableError for a wrong shape, NonFiniteError for values that are no numbers."""
        assert self._key is not None  # _build comes first
        rows = self._dataset.validation_rows(self._key.fold)
        if fault := shape_fault(probabilities, len(rows), len(self._dataset.classes)):
            raise TrainableError(f"epoch {epoch}: the prediction is wrong: {fault}")
        if not np.isfinite(probabilities).all():
            fault = value_fault(probabilities, [self._dataset.paths[row] for row in rows])
            raise NonFiniteError(f"epoch {epoch}: the prediction is wrong: {fault}")

    def _store_epoch(self, assignment: LegAssignment, trained: _Trained) -> EpochEnded:
        key, epoch, started = assignment.leg.key, trained.epoch, self._clock()
        best = self._better(epoch, trained)
        unstored_s = self._unstored_s + trained.seconds
        # The next leg may run elsewhere, so the last epoch of this one has to be stored.
        has_state = epoch >= assignment.leg.end or unstored_s >= assignment.checkpoint_every
        files = self._files(key, trained, best, has_state)
        changes = has_state or best.epoch == epoch
        tidy = changes or self._changed  # else nothing is superseded, and to list is a request
        states = self._states[-1:] if has_state else self._states
        self._writer.begin(files, lambda: self._tidy(key, epoch, best, states) if tidy else None, has_state)
        goes_ahead = epoch < assignment.leg.end and self._writer.is_slow_beside(trained.seconds)
        handed_over = self._clock()
        if goes_ahead:
            self._go_ahead(epoch + 1)
        waiting = self._clock()
        written = self._writer.wait()
        stored = self._clock()
        self._previous_best, self._best, self._epoch = self._best, best, epoch
        self._changed = changes
        self._unstored_s = 0.0 if has_state else unstored_s
        self._states = [*states, epoch] if has_state else states
        seconds = round(trained.seconds + (handed_over - started) + (stored - waiting), 4)
        kinds = {
            "resume": resume_name,
            "weights": weights_name,
            "oof": oof_name,
            KIND: probabilities_name,
        }
        names = {kind: name_of(key, epoch) for kind, name_of in kinds.items()}
        digests = {kind: written[name] for kind, name in names.items() if name in written}
        return EpochEnded(key.trial, key.fold, epoch, trained.score, trained.metrics, seconds, digests)

    def _go_ahead(self, epoch: int) -> None:
        """What it raises belongs to the next outcome: this epoch is well."""
        try:
            self._ahead = self._train(epoch)
        except Exception as error:
            self._ahead = error

    def _files(self, key: FoldRunKey, trained: _Trained, best: Best, has_state: bool) -> Files:
        """Best first, resume state last: a resume state's existence means all it refers to is there."""
        run, epoch, multi_label = self._run, trained.epoch, self._dataset.task.multi_label
        assert run is not None  # it was just trained
        files = [(probabilities_name(key, epoch), probabilities_to_bytes(trained.probabilities, multi_label))]
        if best.epoch == epoch:
            rows = self._dataset.validation_rows(key.fold)
            files.append((oof_name(key, epoch), fold_to_bytes(rows, trained.probabilities, multi_label)))
            files.append((weights_name(key, epoch), run.weights()))
        if has_state:
            files.append((resume_name(key, epoch), run.state()))
        return tuple(files)

    def _tidy(self, key: FoldRunKey, epoch: int, best: Best, states: Sequence[int]) -> None:
        """states: epochs of the resume states that stay beside that of `epoch`; the journal knows them."""
        bests = {item.epoch for item in (best, self._best) if item is not None}
        self._store.delete_many(superseded(self._store.names(f"{key}/"), epoch, bests, states))

    def _better(self, epoch: int, trained: _Trained) -> Best:
        """As `History` will see it."""
        own = merit(self._epoch_choice, self._dataset.mode, trained.score, trained.metrics)
        old = self._best
        return Best(epoch, trained.score, own) if old is None or own > old.merit else old

    def _refined_log_loss(self, probabilities: NDArray[np.float32]) -> float:
        assert self._key is not None  # _build comes first
        judged = self._dataset.scored(self._key.fold)
        labels = self._dataset.labels[self._dataset.validation_rows(self._key.fold)][judged]
        return log_loss(labels, fit_temperature(labels, probabilities[judged]).apply(probabilities[judged]))


def _let_go_of_frames(error: BaseException) -> None:
    """A traceback's frames hold the tensors of the step that failed. As long as they do, a fold run that is
    closed has nothing to give back to a GPU, and its neighbours run out of what this process only keeps."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__


def _is_for_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or _is_for_gpu_memory(error)


def _is_for_gpu_memory(error: Exception) -> bool:
    if type(error).__name__ == "OutOfMemoryError":  # torch's; not imported here
        return True
    return isinstance(error, RuntimeError) and is_gpu_memory(str(error))


def _failure(leg: Leg, done: int, error: Exception, resources: Resources) -> LegFailed:
    kind = "nan" if isinstance(error, NonFiniteError) else "exception"
    if 0 < resources.gpus < 1 and _is_for_gpu_memory(error):
        kind = "memory"
    text = "".join(traceback.format_exception(error))
    return LegFailed(leg.trial, leg.fold, done, kind, f"{type(error).__name__}: {error}", text)

"""One slot's work: take an order, build or continue its fold run, run it epoch by epoch.

Runs in the driver's process (inline) or in a Ray actor; knows neither. What an epoch left behind is in the
store before its outcome is returned.
"""

from __future__ import annotations

import importlib
import math
import time
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.checkpoints import oof_name, resume_name, superseded, weights_name
from orchestrator.errors import InputError, NonFiniteError, StorageError, TrainableError
from orchestrator.history import Best
from orchestrator.predictions import fold_to_bytes
from orchestrator.trial import (
    CheckpointStore,
    Dataset,
    EpochEnded,
    FoldRunKey,
    Leg,
    LegFailed,
    Resources,
    Trainable,
)


@dataclass(frozen=True)
class LegOrder:
    """All a slot needs for a leg. best: of the epochs already done (None: none done)."""

    leg: Leg
    config: dict[str, Any]
    max_epochs: int
    seed: int
    best: Best | None


@dataclass(frozen=True)
class StorageFailed:
    """The store refused an epoch: not the fold run's fault, the study has to stop."""

    trial: int
    fold: int
    error: str


class _ResumeStateGoneError(Exception):
    """What the journal says was stored is not there."""


Outcome = EpochEnded | LegFailed | StorageFailed


def load_trainable(name: str) -> type[Trainable]:
    """ "module:Class" -> the class. Raises TrainableError."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except InputError:
        raise
    except Exception as error:  # whatever the module's own code raises on import
        raise TrainableError(
            f"trainable={name!r} cannot be imported: {type(error).__name__}: {error}; "
            "correct the space's `trainable` or install what it needs"
        ) from error
    missing = [
        item for item in ("parameters", "prepare", "run_epoch", "load_predictor") if not hasattr(found, item)
    ]
    if missing:
        raise TrainableError(
            f"trainable={name!r} lacks {', '.join(missing)}; see orchestrator.trial.Trainable"
        )
    trainable: type[Trainable] = found
    return trainable


class FoldRunWorker:
    """Runs legs one after another; keeps the last fold run in memory in case its next leg comes here."""

    def __init__(
        self, dataset: Dataset, trainable: str, store: CheckpointStore, resources: Resources | None = None
    ) -> None:
        self._dataset = dataset
        self._trainable = trainable
        self._store = store
        self._resources = resources or Resources()
        self._run: Trainable | None = None
        self._key: FoldRunKey | None = None
        self._epoch = 0
        self._best: Best | None = None
        self._previous_best: Best | None = None
        self._order: LegOrder | None = None
        self._rebuild = True

    def start(self, order: LegOrder) -> None:
        """Takes an order; what can fail happens in `step`, so that it comes back as an outcome."""
        continues = self._run is not None and (self._key, self._epoch) == (order.leg.key, order.leg.start)
        self._rebuild = not continues
        self._order = order

    def step(self) -> Outcome:
        """One epoch of the order: trained, validated, stored. Never raises for what a fold run did."""
        order = self._order
        assert order is not None  # start comes first
        leg = order.leg
        try:
            if self._rebuild:
                self._build(order)
            return self._run_epoch(order)
        except _ResumeStateGoneError as error:
            # Not the fold run's fault, and a dead process would look the same: again, from the start.
            return LegFailed(leg.trial, leg.fold, 0, "lost", str(error))
        except StorageError as error:
            return StorageFailed(leg.trial, leg.fold, str(error))
        except Exception as error:
            done = leg.start if self._rebuild else self._epoch
            self.release()
            return _failure(leg, done, error)

    def release(self) -> None:
        """Frees the fold run in memory, if any."""
        run, self._run, self._key = self._run, None, None
        if run is not None:
            run.close()

    def _build(self, order: LegOrder) -> None:
        self.release()
        leg = order.leg
        run = load_trainable(self._trainable)(
            self._dataset, leg.fold, order.config, order.max_epochs, order.seed, self._resources
        )
        if leg.start:
            run.load_state(self._resume_state(leg))
        self._run, self._key, self._epoch = run, leg.key, leg.start
        self._best = self._previous_best = order.best
        self._rebuild = False

    def _resume_state(self, leg: Leg) -> bytes:
        name = resume_name(leg.key, leg.start)
        try:
            return self._store.get(name)
        except KeyError:
            raise _ResumeStateGoneError(
                f"{name} is missing from the store; run again from the start"
            ) from None

    def _run_epoch(self, order: LegOrder) -> EpochEnded:
        run, key = self._run, order.leg.key
        assert run is not None  # _build comes first
        started = time.perf_counter()
        metrics = {name: float(value) for name, value in run.run_epoch().items()}
        score = metrics[self._dataset.metric]
        probabilities = np.asarray(run.probabilities(), dtype=np.float32)
        if not (math.isfinite(score) and np.isfinite(probabilities).all()):
            raise NonFiniteError(
                f"epoch {self._epoch + 1}: the score or probabilities are not finite: {metrics}"
            )
        self._save(run, key, self._epoch + 1, score, probabilities)
        self._epoch += 1
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        seconds = round(time.perf_counter() - started, 4)
        return EpochEnded(key.trial, key.fold, self._epoch, score, finite, seconds)

    def _save(
        self, run: Trainable, key: FoldRunKey, epoch: int, score: float, probabilities: NDArray[np.float32]
    ) -> None:
        """Best first, resume state last: a resume state's existence means all it refers to is there."""
        best = self._better(Best(epoch, score))
        if best.epoch == epoch:
            rows = self._dataset.validation_rows(key.fold)
            self._store.put(oof_name(key, epoch), fold_to_bytes(rows, probabilities))
            self._store.put(weights_name(key, epoch), run.weights())
        self._store.put(resume_name(key, epoch), run.state())
        self._previous_best, self._best = self._best, best
        bests = {item.epoch for item in (self._best, self._previous_best) if item is not None}
        for name in superseded(self._store.names(f"{key}/"), epoch, bests):
            self._store.delete(name)

    def _better(self, new: Best) -> Best:
        old = self._best
        sign = 1.0 if self._dataset.mode == "max" else -1.0
        return new if old is None or sign * new.score > sign * old.score else old


def _failure(leg: Leg, done: int, error: Exception) -> LegFailed:
    kind = "nan" if isinstance(error, NonFiniteError) else "exception"
    text = "".join(traceback.format_exception(error))
    return LegFailed(leg.trial, leg.fold, done, kind, f"{type(error).__name__}: {error}", text)

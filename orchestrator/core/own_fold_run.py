"""A fold run around one generator of epochs: what a trainable of one's own leaves to others."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.array_files import Arrays, pack, to_numpy, unpack
from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.declared import as_parameter, completed
from orchestrator.core.errors import NonFiniteError, TrainableError
from orchestrator.core.fold_data import FoldData, Rows, fold_data
from orchestrator.core.metrics import epoch_scores, log_loss
from orchestrator.core.own_predictor import OwnPredictor
from orchestrator.core.probabilities import probability_fault, shape_fault, value_fault
from orchestrator.core.trainable import Config, Parameter, Resources, with_current_names

log = logging.getLogger(__name__)

_EPOCHS, _STATE = "epochs", "state/"  # names inside `state()`
_MULTI_LABEL = "task/multi_label"  # a name inside `weights()`; there is none where a row has one label


@dataclass(frozen=True)
class Epoch:
    """What an epoch leaves behind. A generator may yield the probabilities alone."""

    probabilities: Any  # (n_val, C), in the order of data.validation, rows summing to 1; or (n_val, L)
    weights: Mapping[str, Any] = field(default_factory=dict)  # arrays: what a predictor needs
    state: Mapping[str, Any] | None = None  # arrays: what continuing needs; None: train again from the start
    metrics: Mapping[str, float] = field(default_factory=dict)  # more to be noted, such as the training loss


class OwnTrainable(ABC):
    """Keeps `core.trainable.Trainable` around one generator of epochs. See BaseTrainable and `trainable`."""

    declared: ClassVar[Mapping[str, Any]] = {}
    """Parameter -> its default, its domain or a Parameter."""

    config: dict[str, Any]  # complete
    classes: int  # C, or L of several labels
    multi_label: bool  # whether a row may have several labels: labels (n, L) of 0 and 1, probabilities (n, L)

    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._configure(config, len(dataset.classes), dataset.task.multi_label)
        self._dataset, self._fold = dataset, fold
        self._data = fold_data(dataset, fold, max_epochs, seed, resources)
        self._epochs: Iterator[Epoch | Any] | None = None
        self._done, self._repeated = 0, 0  # epochs; trained again in vain since the last one
        self._last: Epoch | None = None

    def _configure(self, config: Config, classes: int, multi_label: bool) -> None:
        self.config = completed(config, self.parameters(), type(self).__name__)
        self.classes, self.multi_label = classes, multi_label

    @abstractmethod
    def epochs(self, data: FoldData) -> Iterator[Epoch | Any]:
        """Yields after each epoch from data.start on: an Epoch, or the probabilities alone."""

    def predict(self, rows: Rows) -> Any:
        """Probabilities (len(rows), C) of new images, after `load`. Raises TrainableError: it has no way."""
        raise TrainableError(
            f"{self._name} cannot predict new images: it gives no predictor; write one (for a generator "
            f"@{self._name}.predictor and Epoch(..., weights=...), in a class save, load and predict)"
        )

    def load(self, weights: Arrays) -> None:  # noqa: B027 - what saves nothing needs none
        """Takes what an Epoch gave as its weights."""

    # ---- what a worker asks ------------------------------------------------------------------------

    def run_epoch(self) -> dict[str, float]:
        """Trains until the next prediction, and scores it. Raises TrainableError, NonFiniteError."""
        if self._epochs is None:
            self._epochs = iter(self.epochs(self._data))
        self._last = self._next(self._epochs)
        self._done += 1
        measured = self._measured(np.asarray(self._last.probabilities))
        taken = sorted(measured.keys() & self._last.metrics.keys())
        if taken:
            raise TrainableError(
                f"{self._name}: metric {taken[0]!r} is measured here; give yours another name"
            )
        repeated, self._repeated = self._repeated, 0
        # Time that a missing state cost is to be seen in the study, not only in a log of a worker.
        again = {"epochs_trained_again": float(repeated)} if repeated else {}
        return {**measured, **{name: float(value) for name, value in self._last.metrics.items()}, **again}

    def _next(self, epochs: Iterator[Epoch | Any]) -> Epoch:
        try:
            found = next(epochs)
        except StopIteration:
            raise TrainableError(
                f"{self._name} ended after {self._done} of {self._data.max_epochs} epochs; "
                "yield once in each, `for epoch in range(data.start, data.max_epochs)`"
            ) from None
        last = found if isinstance(found, Epoch) else Epoch(found)
        return replace(last, probabilities=self._checked(last.probabilities))

    def _checked(self, probabilities: Any) -> NDArray[np.float32]:
        found = to_numpy(probabilities)
        where = f"{self._name}, epoch {self._done + 1}, fold {self._fold}: the prediction is wrong: "
        paths = self._data.validation.paths
        if fault := shape_fault(found, len(paths), self.classes):
            raise TrainableError(where + fault)
        found = found.astype(np.float32)
        if fault := value_fault(found, paths):
            raise NonFiniteError(where + fault)
        if fault := probability_fault(found, paths, self.multi_label):
            raise TrainableError(where + fault)
        return found

    def _measured(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        scored = self._dataset.scored(self._fold)
        labels = self._dataset.labels[self._dataset.validation_rows(self._fold)][scored]
        judged = probabilities[scored]
        return {
            "loss_val": log_loss(labels, judged),
            **epoch_scores(self._dataset.metric, labels, judged, self._dataset.task),
        }

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _of_last(self) -> Epoch:
        if self._last is None:
            raise RuntimeError(f"{self._name}: asked for an epoch's results before the first run_epoch()")
        return self._last

    def probabilities(self) -> NDArray[np.float32]:
        """Of the last `run_epoch`, (n_val, C or L), in the order of `dataset.validation_rows(fold)`."""
        found: NDArray[np.float32] = self._of_last().probabilities
        return found

    def weights(self) -> bytes:
        # A predictor is loaded without a dataset to say which task it was trained for.
        task = {_MULTI_LABEL: 1} if self.multi_label else {}
        return pack({**self._of_last().weights, **task}, f"{self._name}: weights")

    def state(self) -> bytes:
        """The epochs done, and what the last one gave as its state."""
        given = self._of_last().state
        kept = {} if given is None else {f"{_STATE}{name}": value for name, value in given.items()}
        has_state = {} if given is None else {"has_state": 1}
        return pack({_EPOCHS: self._done, **has_state, **kept}, f"{self._name}: state")

    def load_state(self, data: bytes) -> None:
        """Continues from the state; where none was given, trains again what was done."""
        found = unpack(data, f"{self._name}: its state")
        done = int(found[_EPOCHS])
        if "has_state" in found:
            state = {
                name.removeprefix(_STATE): item for name, item in found.items() if name.startswith(_STATE)
            }
            self._epochs = iter(self.epochs(replace(self._data, start=done, state=state)))
            self._done = done
            return
        _say_once(type(self), done)
        self._epochs, self._done = iter(self.epochs(self._data)), 0
        for _ in range(done):
            self._next(self._epochs)
            self._done += 1
        self._repeated = done

    def close(self) -> None:
        """Ends the generator, whose `finally` runs, and lets go of what it held."""
        if (ends := getattr(self._epochs, "close", None)) is not None:
            ends()
        self._epochs = self._last = None

    # ---- what a class can say ----------------------------------------------------------------------

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return {name: as_parameter(name, value) for name, value in cls.declared.items()}

    @classmethod  # noqa: B027  most have nothing to prepare
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> Sequence[str] | None:
        """Once per node before anything runs; nothing to do unless a class overrides it."""

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> OwnPredictor:
        model = cls.__new__(cls)
        # An ensemble's configuration also has defaults of the version that trained it.
        accepted = cls.parameters()
        current = with_current_names(config, accepted)
        known = {name: value for name, value in current.items() if name in accepted}
        arrays = unpack(weights, f"{cls.__name__}: its weights")
        model._configure(known, classes, arrays.pop(_MULTI_LABEL, None) is not None)
        model.load(arrays)
        return OwnPredictor(cls.__name__, classes, model.predict, model.multi_label)


_SAID: set[type] = set()


def _say_once(owner: type, done: int) -> None:
    if owner not in _SAID:
        _SAID.add(owner)
        log.warning(
            "%s gives no state: a fold run that continues trains again from its start (here %d epochs); "
            "yield Epoch(..., state=...) to save that time",
            owner.__name__,
            done,
        )

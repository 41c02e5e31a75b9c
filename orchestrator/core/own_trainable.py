"""A trainable of one's own: a generator that predicts after every epoch, or a class with defaults.

    @trainable(alpha=1e-4)
    def sgd(data, config):
        model = SGDClassifier(loss="log_loss", alpha=config["alpha"], random_state=data.seed)
        images, held_out = pixels(data.paths), pixels(data.validation.paths)
        for _ in range(data.max_epochs):
            model.partial_fit(images, data.labels, classes=range(len(data.classes)))
            yield model.predict_proba(held_out)

A space names it as `trainable="my_model:sgd"`. What is left out has a default: a fold run without a state
trains again from its start when it continues; without a predictor no new images can be predicted, only the
study's own rows out of fold.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from orchestrator.core.array_files import Arrays
from orchestrator.core.declared import as_parameter
from orchestrator.core.errors import TrainableError
from orchestrator.core.fold_data import FoldData, Rows
from orchestrator.core.own_fold_run import Epoch, OwnTrainable

__all__ = ["BaseTrainable", "Epoch", "FoldData", "GeneratorTrainable", "Rows", "trainable"]


class BaseTrainable(OwnTrainable):
    """A class of one's own: `begin`, `train_epoch` and `predict` are needed, the rest has defaults.

    declared: its parameters. With `save` and `load` new images can be predicted; with `save_state` and
    `load_state_arrays` a fold run continues where it was, instead of training again from its start.
    """

    @abstractmethod
    def begin(self, data: FoldData) -> None:
        """Builds the untrained model; self.config and self.classes are there."""

    @abstractmethod
    def train_epoch(self, data: FoldData, epoch: int) -> Mapping[str, float] | None:
        """Trains epoch number `epoch` (from 0); metrics to be noted, if any."""

    @abstractmethod
    def predict(self, rows: Rows) -> Any:
        """Probabilities (len(rows), C): of the validation rows, and after `load` of new images."""

    def save(self) -> Mapping[str, Any]:
        """Arrays that `load` makes the model from."""
        return {}

    def save_state(self) -> Mapping[str, Any] | None:
        """Arrays that continuing needs: model, optimizer, all of it. None: train again from the start."""
        return None

    def load_state_arrays(self, state: Arrays) -> None:
        """Inverse of `save_state`, after `begin`."""
        raise TrainableError(f"{type(self).__name__} has save_state but no load_state_arrays; write both")

    def epochs(self, data: FoldData) -> Iterator[Epoch]:
        self.begin(data)
        if data.state is not None:
            self.load_state_arrays(data.state)
        for epoch in range(data.start, data.max_epochs):
            metrics = self.train_epoch(data, epoch) or {}
            yield Epoch(self.predict(data.validation), self.save(), self.save_state(), metrics)


Train = Callable[[FoldData, dict[str, Any]], Iterator[Any]]
Predict = Callable[[Arrays, Rows, dict[str, Any]], Any]
AnyPredict = TypeVar("AnyPredict", bound=Predict)


class GeneratorTrainable(OwnTrainable):
    """What `@trainable` makes of a generator; `@its_name.predictor` adds how new images are predicted."""

    _train: ClassVar[Train]
    _predict: ClassVar[Predict | None] = None
    _loaded: Arrays

    def epochs(self, data: FoldData) -> Iterator[Any]:
        return type(self)._train(data, self.config)

    def load(self, weights: Arrays) -> None:
        self._loaded = weights

    def predict(self, rows: Rows) -> Any:
        predict = type(self)._predict
        return super().predict(rows) if predict is None else predict(self._loaded, rows, self.config)

    @classmethod
    def predictor(cls, predict: AnyPredict) -> AnyPredict:
        """Decorates predict(weights, rows, config), which gives probabilities (len(rows), C)."""
        cls._predict = staticmethod(predict)
        return predict


def trainable(**declared: Any) -> Callable[[Train], type[GeneratorTrainable]]:
    """Decorates train(data, config), a generator that yields after every epoch. declared: its parameters.

    Raises TrainableError for a parameter that is neither a default, a domain nor a Parameter.
    """
    for name, value in declared.items():
        as_parameter(name, value)

    def made(train: Train) -> type[GeneratorTrainable]:
        body = {
            "declared": declared,
            "_train": staticmethod(train),
            **{name: getattr(train, name) for name in ("__module__", "__qualname__", "__doc__")},
        }
        return type(train.__name__, (GeneratorTrainable,), body)

    return made

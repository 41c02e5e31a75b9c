"""What is wrong with a trainable, in words, before a study finds out."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import OrchestratorError, TrainableError
from orchestrator.core.probabilities import any_fault
from orchestrator.core.trainable import Config, Resources, Trainable, load_trainable, refuse_incomplete
from orchestrator.testing.toy import toy_dataset

CLOSE = 1e-5
"""How far two predictions of the same model may lie apart: float32 sums in another order stay below it."""

ONE_CPU = Resources(cpus=1)


def check_trainable(
    trainable: str | type[Trainable],
    config: Config | None = None,
    dataset: Dataset | None = None,
    epochs: int = 3,
    seed: int = 0,
) -> list[str]:
    """Trains fold 0 several times and compares; gives notes on what it cannot do, such as predict new images.

    trainable: a class, or "module:Class"; config: None, its defaults; dataset: None, 54 small drawn images.
    Raises TrainableError with a line for each fault: parameters, shapes, values, rows that don't sum to 1,
    another result with the same seed, a state that does not continue, validation rows that reach training.
    """
    found = load_trainable(trainable) if isinstance(trainable, str) else trainable
    refuse_incomplete(found, found.__name__)
    with tempfile.TemporaryDirectory() as folder:
        rows = dataset or toy_dataset(Path(folder) / "images")
        check = _Check(found, dict(config or {}), rows, epochs, seed, Path(folder))
        faults = check.faults()
        notes = check.notes
    name = found.__name__
    if faults:
        raise TrainableError("\n".join(fault if name in fault else f"{name}: {fault}" for fault in faults))
    return notes


@dataclass(frozen=True)
class _Run:
    """What a fold run gave: probabilities of each epoch, and the weights of the last."""

    epochs: tuple[NDArray[np.float32], ...]
    weights: bytes


class _Check:
    def __init__(
        self,
        cls: type[Trainable],
        config: dict[str, Any],
        dataset: Dataset,
        epochs: int,
        seed: int,
        folder: Path,
    ) -> None:
        self._cls, self._config, self._dataset, self._seed = cls, config, dataset, seed
        self._epochs, self._folder = epochs, folder
        self._rows = dataset.validation_rows(0)
        self.notes: list[str] = []

    def faults(self) -> list[str]:
        """One that makes the others meaningless stands alone."""
        if fault := self._parameters_fault():
            return [fault]
        self._cls.prepare(self._dataset, self._values())  # a cluster's nodes do so before the first epoch
        try:
            first = self._run(self._dataset)
        except _WrongError as wrong:
            return [str(wrong)]
        found = (
            self._seed_fault(first),
            self._state_fault(first),
            *self._leak_faults(first),
            self._predictor_fault(first),
        )
        return [fault for fault in found if fault]

    def _values(self) -> Mapping[str, tuple[Any, ...]]:
        accepted = self._cls.parameters()
        return {name: (self._config.get(name, item.default),) for name, item in accepted.items()}

    def _parameters_fault(self) -> str:
        accepted = self._cls.parameters()
        unknown = sorted(set(self._config) - set(accepted))
        if unknown:
            return f"parameters() has no {unknown[0]!r}, which the configuration names"
        for name, parameter in accepted.items():
            if parameter.choices is not None and parameter.default not in parameter.choices:
                return f"the default of {name} is {parameter.default!r}, none of its choices"
        return ""

    # ---- one fold run ------------------------------------------------------------------------------

    def _new(self, dataset: Dataset) -> Trainable:
        return self._cls(dataset, 0, self._config, self._epochs, self._seed, ONE_CPU)

    def _run(self, dataset: Dataset, stop_after: int = 0) -> _Run:
        """stop_after: the epoch after which a new object goes on from the state; 0: none."""
        run, found = self._new(dataset), []
        for epoch in range(1, self._epochs + 1):
            found.append(self._epoch(run, epoch))
            if epoch == stop_after:
                state = run.state()
                run.close()
                run = self._new(dataset)
                run.load_state(state)
        weights = run.weights()
        run.close()
        return _Run(tuple(found), weights)

    def _epoch(self, run: Trainable, epoch: int) -> NDArray[np.float32]:
        try:
            metrics = run.run_epoch()
        except OrchestratorError as error:
            raise _WrongError(str(error)) from error
        metric = self._dataset.metric
        if metric not in metrics:
            raise _WrongError(
                f"run_epoch() gave no {metric!r}, the study's metric; it gave {', '.join(metrics)}"
            )
        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        if bad:
            raise _WrongError(
                f"run_epoch() gave {bad[0]}={metrics[bad[0]]} in epoch {epoch}; it must be finite"
            )
        found = np.asarray(run.probabilities())
        paths = [self._dataset.paths[row] for row in self._rows]
        task = self._dataset.task
        if fault := any_fault(found, paths, len(task), task.multi_label):
            raise _WrongError(f"probabilities() after epoch {epoch}: {fault}")
        return found.astype(np.float32)

    # ---- comparisons -------------------------------------------------------------------------------

    def _seed_fault(self, first: _Run) -> str:
        again = self._run(self._dataset)
        epoch = _first_difference(first, again)
        return (
            f"the same seed gave other predictions in epoch {epoch + 1}; take every draw from data.seed "
            "(random_state=, torch.manual_seed) and never from a global generator"
            if epoch is not None
            else ""
        )

    def _state_fault(self, first: _Run) -> str:
        if self._epochs < 2:
            return ""
        try:
            continued = self._run(self._dataset, stop_after=1)
        except Exception as error:
            return f"it does not continue from its state: {type(error).__name__}: {error}"
        epoch = _first_difference(first, continued)
        return (
            f"continued from its state after epoch 1 it predicted otherwise in epoch {epoch + 1}; the state "
            "must hold all that training changes (model, optimizer, schedule, position), or be left out"
            if epoch is not None
            else ""
        )

    def _leak_faults(self, first: _Run) -> list[str]:
        other_labels = _first_difference(first, self._run(_with_other_labels(self._dataset, self._rows)))
        faults = []
        if other_labels is not None:
            faults.append(
                f"with other labels for the validation rows it predicted otherwise in epoch "
                f"{other_labels + 1}: those labels reach the model; train on training_rows(fold) alone"
            )
        poisoned, kept = self._with_other_images()
        changed = self._run(poisoned)
        apart = [
            epoch
            for epoch, (a, b) in enumerate(zip(first.epochs, changed.epochs, strict=True))
            if not np.allclose(a[kept], b[kept], atol=CLOSE)
        ]
        if apart:
            faults.append(
                "with other images in half of the validation rows it predicted the other half otherwise in "
                f"epoch {apart[0] + 1}: those images reach the model (or a layer that normalises over a "
                "batch is left in training mode)"
            )
        return faults

    def _with_other_images(self) -> tuple[Dataset, NDArray[np.bool_]]:
        """A copy in which every second validation row has the image of the first training row; which stay."""
        kept = np.arange(len(self._rows)) % 2 == 0
        source = self._dataset.paths[int(self._dataset.training_rows(0)[0])]
        root, paths = Path(self._dataset.root), list(self._dataset.paths)
        copy = self._folder / "poisoned"
        # Half of the rows stay: what the others' images did to their predictions is what leaked.
        poisoned = set(self._rows[~kept].tolist())
        for row, path in enumerate(paths):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            (copy / path).write_bytes((root / (source if row in poisoned else path)).read_bytes())
        # Another identity: an image store that knows the first one would give back the old images.
        cache, name = str(self._folder / "cache"), f"{self._dataset.fingerprint}, poisoned"
        return replace(self._dataset, root=str(copy), cache_dir=cache, fingerprint=name), kept

    def _predictor_fault(self, first: _Run) -> str:
        paths = [str(Path(self._dataset.root) / self._dataset.paths[row]) for row in self._rows]
        columns = {name: column[self._rows] for name, column in self._dataset.columns.items()}
        classes = len(self._dataset.classes)
        try:
            predictor = self._cls.load_predictor(first.weights, self._config, classes, ONE_CPU)
            found = np.asarray(predictor.predict(paths, columns=columns))
        except TrainableError as error:
            if "cannot predict new images" not in str(error):
                return str(error)
            self.notes.append(str(error))
            return ""
        if fault := any_fault(found, paths, classes, self._dataset.task.multi_label):
            return f"its predictor: {fault}"
        if not np.allclose(found, first.epochs[-1], atol=CLOSE):
            row = int(np.abs(found - first.epochs[-1]).max(axis=1).argmax())
            return (
                f"its predictor, from the weights of the last epoch, answers {found[row].round(4).tolist()} "
                f"for {self._dataset.paths[self._rows[row]]}, where validation had "
                f"{first.epochs[-1][row].round(4).tolist()}; weights must hold all that prediction needs"
            )
        # Batch statistics at prediction would make an ensemble's answer depend on what else is asked.
        few = np.asarray(predictor.predict(paths[:2], columns={k: v[:2] for k, v in columns.items()}))
        if not np.allclose(few, found[:2], atol=CLOSE):
            return "its predictor answers otherwise for the same images among fewer; each row stands alone"
        return ""


class _WrongError(Exception):
    """A fault that leaves nothing to compare."""


def _first_difference(one: _Run, other: _Run) -> int | None:
    """The first epoch (from 0) whose predictions differ; None: all agree."""
    pairs = enumerate(zip(one.epochs, other.epochs, strict=True))
    return next((epoch for epoch, (a, b) in pairs if not np.allclose(a, b, atol=CLOSE)), None)


def _with_other_labels(dataset: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """The validation rows all of the last class, or with the most labels, in the label's columns too, so that
    class counts change."""
    labels = dataset.labels.copy()
    # Shuffled labels would keep the class counts, and class weights computed from all rows would go unseen.
    last = int((labels.sum(axis=1) if labels.ndim == 2 else labels).argmax())
    labels[rows] = labels[last]
    columns = dict(dataset.columns)
    answers = {name for factor in dataset.factors for name in factor.columns}
    for name in answers & columns.keys():
        columns[name] = columns[name].copy()
        columns[name][rows] = columns[name][last]
    return replace(dataset, labels=labels, columns=columns)

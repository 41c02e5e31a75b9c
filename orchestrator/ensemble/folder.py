"""An ensemble on disk, loaded and asked. Needs no Ray, no study, and holds one model in memory at a time.

    ensemble = Ensemble.load(Path("runs/age/ensemble-20250101-120000"))
    probabilities = ensemble.predict(["a.jpg", "b.jpg"])      # (2, len(ensemble.classes))
    labels = ensemble.decide(probabilities)                   # (2,): what it says of each

The folder holds ensemble.json (what `record` is), weights/, oof.parquet and trained_on.parquet.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.core.choices import TTA
from orchestrator.core.errors import EnsembleError, OrchestratorError
from orchestrator.core.file_digest import digest_of
from orchestrator.core.links import stranger_fault
from orchestrator.core.probabilities import label_fault, shape_fault, value_fault
from orchestrator.core.regular_files import read_file
from orchestrator.core.task import Task
from orchestrator.core.text import counted
from orchestrator.core.trainable import Resources, load_trainable
from orchestrator.data.targets import Target
from orchestrator.ensemble.answering import answer, decide
from orchestrator.ensemble.images import Images, as_images
from orchestrator.ensemble_record.chain_rule import formula
from orchestrator.ensemble_record.record import (
    RECORD,
    Component,
    EnsembleRecord,
    FoldModel,
    Member,
    read_record,
)
from orchestrator.evaluation.estimate import Estimate

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, repr=False)
class Ensemble:
    """Members that vote on their targets; routes by the chain rule make one answer of several votes.

    In a notebook it shows what it predicts, what it is made of, and its estimates.
    """

    path: Path  # the folder
    record: EnsembleRecord  # the whole of ensemble.json, estimates and fingerprints included
    trust: bool = False  # the user said that the code it names may be imported, wherever that lies

    def __repr__(self) -> str:
        """The whole record would fill pages; it is in `record`."""
        return f"Ensemble({str(self.path)!r})"

    @classmethod
    def load(cls, path: Path | str, *, trust: bool = False, runs: Path | str = "runs") -> Ensemble:
        """The ensemble in a folder; of a study, by its name in `runs` or its folder, the newest one.

        Raises EnsembleError for a folder that is no ensemble, is damaged, or is of another format.
        trust: whether code that it names may be imported which is neither installed nor known here, and
        links in it followed out of it.
        """
        path = _folder_of(Path(path), Path(runs))
        if fault := stranger_fault(path, "ensemble", trust):
            raise EnsembleError(fault)
        ensemble = cls(path, read_record(path), trust)
        for model in ensemble.models():  # by size; contents are checked when a model is loaded
            _check_file(path, model)
        return ensemble

    @property
    def target(self) -> Target:
        """What all its members predict together."""
        return self.record.target

    @property
    def components(self) -> tuple[Component, ...]:
        """The votes it is made of, on one target each; those of all routes."""
        return self.record.components

    @property
    def tta(self) -> str | None:
        """Test-time augmentation of predictions; None leaves each member its own."""
        return self.record.tta

    @property
    def classes(self) -> tuple[str, ...]:
        return self.target.classes

    @property
    def task(self) -> Task:
        """Whether an image has one of the classes or several, and whether they stand in an order."""
        return self.target.task

    @property
    def estimates(self) -> list[Estimate]:
        """What it is honestly expected to score, each number with a title and what it means.

        A folder of version 0.1 has no meanings.
        """
        return list(self.record.estimates.values())

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every metric that applies, the one that decided first: {"oof", "mean", "sd", "folds", "mode"} each.

        Of its out-of-fold rows; None stands for what is undefined. Empty in a folder of version 0.2 or older.
        """
        return {name: dict(item) for name, item in self.record.metrics.items()}

    def models(self) -> list[FoldModel]:
        return [model for member in self.record.members for model in member.models]

    def with_members(self, change: Callable[[Member], Member]) -> Ensemble:
        """The same with each member changed, such as one whose other models were left out."""
        return replace(self, record=self.record.with_members(change))

    def tta_differs(self, tta: str | None = None) -> bool:
        """Whether predictions with it come from other views than the members' out-of-fold rows."""
        used = self.tta if tta is None else tta
        return used is not None and any(member.tta != used for member in self.record.members)

    def predict(
        self,
        images: Images,
        progress: Progress | None = None,
        tta: str | None = None,
        resources: Resources | None = None,
        columns: Columns | None = None,
    ) -> Probabilities:
        """Calibrated class probabilities (hard voting: shares of votes), (len(images), len(classes)).

        The rows sum to 1; where an image may have several labels (`task.multi_label`), each is in [0, 1] by
        itself. What is decided of them, `decide` says: not always the most probable class.

        images: paths, or RGB pixels: arrays (H, W, 3) of uint8 of any sizes, or one (n, H, W, 3).
        tta: views of an image, by default those the ensemble says. resources: by default a GPU if there is
        one, else all cores; Resources(cpus=2) stays on the CPU. columns: the manifest's, each of
        len(images), for preprocessing that reads them. `progress` counts images times models. One model is
        in memory at a time. Raises EnsembleError, ImageReadError, TrainableError.
        """
        tta = self.tta if tta is None else tta
        if tta not in (None, *TTA):
            raise EnsembleError(f"tta={tta!r} is not known; use one of {', '.join(TTA)}")
        given = as_images(images)
        if not given:
            return np.zeros((0, len(self.classes)), dtype=np.float32)
        self.check_code()
        run = _Run(self.path, given, columns, tta, progress, resources, len(self.models()))
        return answer(self.record, run.member)

    def decide(self, probabilities: Probabilities) -> Labels:
        """What it says of images: of one class each its index, (n,); of several labels 0 and 1, (n, L).

        probabilities: as `predict` gives them. The most probable class, moved by the offsets or cut points
        that out-of-fold rows of the folder earned it; a label holds from its threshold on, 0.5 by default.
        """
        return decide(self.record, probabilities)

    def names(self, labels: Labels) -> list[str] | list[tuple[str, ...]]:
        """The class of each image, or the labels that it has. labels: as `decide` gives them."""
        if labels.ndim == 1:
            return [self.classes[index] for index in labels]
        return [tuple(self.classes[at] for at in np.flatnonzero(row)) for row in labels]

    def check_code(self) -> None:
        """Raises TrainableError where it names code that is neither installed nor known here nor trusted."""
        from orchestrator.space.own_code import known_beside  # not for who only looks at its scores

        for member in self.record.members:
            known_beside(member.own_code, [member.trainable], self.path, self.trust)

    def _repr_html_(self) -> str:
        members, models = counted(len(self.record.members), "trial"), counted(len(self.models()), "model")
        votes = ", ".join(dict.fromkeys(component.vote for component in self.components))
        facts = {
            "predicts": ", or ".join(
                formula(self.target, [component.term for component in route.terms])
                for route in self.record.routes
            ),
            "classes": ", ".join(self.classes),
            "made of": f"{members}, {models}, {votes} vote",
            "studies": ", ".join(dict.fromkeys(member.study for member in self.record.members)),
            "folder": str(self.path),
        }
        cells = (f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in facts.items())
        return f"<table>{''.join(cells)}</table>{''.join(item._repr_html_() for item in self.estimates)}"


class _Run:
    """One prediction under way."""

    def __init__(
        self,
        folder: Path,
        images: list[str] | list[NDArray[np.uint8]],
        columns: Columns | None,
        tta: str | None,
        progress: Progress | None,
        resources: Resources | None,
        models: int,
    ) -> None:
        self._folder = folder
        self._images = images
        self._columns = columns
        self._tta = tta
        self._progress = progress
        self._resources = resources
        self._total = models * len(images)
        self._models_done = 0

    def member(self, component: Component, member: Member) -> Probabilities:
        """Mean over the fold models, one after another."""
        total = np.zeros((len(self._images), len(component.target.classes)))  # float64: a sum of many
        for model in member.models:
            total += self._model(component, member, model)
            self._models_done += 1
            self._advance(0, len(self._images))
        return (total / len(member.models)).astype(np.float32)

    def _model(self, component: Component, member: Member, model: FoldModel) -> Probabilities:
        classes = len(component.target.classes)
        predictor = self._predictor(member, model, classes)
        tta = member.tta if self._tta is None else self._tta
        names = [image if isinstance(image, str) else f"image {at}" for at, image in enumerate(self._images)]
        predict = _asked(predictor, member, self._images)
        probabilities = predict(self._images, tta, self._advance, columns=self._columns)
        fault = shape_fault(probabilities, len(names), classes)
        fault = fault or value_fault(probabilities, names)
        if not fault and component.target.multi_label:
            fault = label_fault(probabilities, names)
        if fault:
            raise EnsembleError(f"{self._folder / model.weights}: the prediction is wrong: {fault}")
        return probabilities

    def _predictor(self, member: Member, model: FoldModel, classes: int) -> Any:
        trainable, data = load_trainable(member.trainable), read_weights(self._folder, model)
        try:
            return trainable.load_predictor(data, member.config, classes, self._resources)
        except OrchestratorError:
            raise
        except Exception as error:  # whatever a trainable makes of weights and a configuration not its own
            raise EnsembleError(
                f"{self._folder / model.weights}: {member.trainable} cannot be made of these weights and the "
                f"configuration of trial {member.trial} ({type(error).__name__}: {error})"
            ) from error

    def _advance(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(self._models_done * len(self._images) + done, self._total)


def _folder_of(named: Path, runs: Path) -> Path:
    if (named / RECORD).is_file():
        return named
    from orchestrator.ensemble_record.finding import (
        find_ensemble,  # not for who names the folder: it reads studies
    )

    return find_ensemble(named, runs)


def _asked(predictor: Any, member: Member, images: Sequence[Any]) -> Callable[..., Probabilities]:
    """Its method for such images. Raises EnsembleError."""
    asked: Callable[..., Probabilities] | None = predictor.predict
    if not isinstance(images[0], str):
        asked = getattr(predictor, "predict_arrays", None)
    if asked is None:
        raise EnsembleError(
            f"trainable={member.trainable!r} predicts files alone: its predictor has no predict_arrays; "
            "write the images to files (PNG keeps every value) and give their paths"
        )
    return asked


def _check_file(folder: Path, model: FoldModel) -> None:
    path = folder / model.weights
    if not path.is_file() or path.stat().st_size != model.size:
        raise EnsembleError(f"{path} is missing or not {model.size} bytes long; write the ensemble anew")


def read_weights(folder: Path, model: FoldModel) -> bytes:
    """Raises EnsembleError for other bytes than were written."""
    try:
        data = read_file(folder / model.weights)
    except OSError as error:
        raise EnsembleError(f"{folder / model.weights} cannot be read: {error.strerror}") from error
    if digest_of(data) != model.sha256:
        raise EnsembleError(f"{folder / model.weights} is not what was written; write the ensemble anew")
    return data

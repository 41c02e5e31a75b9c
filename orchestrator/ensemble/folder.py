"""An ensemble on disk, loaded and asked. Needs no Ray, no study, and holds one model in memory at a time.

    ensemble = Ensemble.load(Path("runs/age/ensemble-20250101-120000"))
    probabilities = ensemble.predict(["a.jpg", "b.jpg"])      # (2, len(ensemble.classes))

The folder holds ensemble.json (what `record` is), estimates.json (what its scores mean), weights/,
oof.parquet and trained_on.parquet.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.core.choices import TTA
from orchestrator.core.errors import EnsembleError, InputError
from orchestrator.core.file_digest import digest_of
from orchestrator.core.links import links_out_of
from orchestrator.core.probabilities import label_fault, shape_fault, value_fault
from orchestrator.core.task import Task
from orchestrator.core.text import counted
from orchestrator.core.trainable import Resources, load_trainable
from orchestrator.data.targets import Given, Joint, Target, given_from_json, target_from_json
from orchestrator.ensemble.chain_rule import Term, combine, formula, resolve_terms
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.voting import VOTES, vote_of

FORMAT = 1  # of ensemble.json; another one is refused, never guessed at
RECORD = "ensemble.json"
WORDS = "estimates.json"
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FoldModel:
    """The best epoch of one fold run."""

    fold: int  # that it did not train on
    epoch: int  # epochs done, from 1
    score: float  # the metric on its validation rows
    weights: str  # path in the folder
    size: int  # bytes
    sha256: str  # hex


@dataclass(frozen=True)
class Member:
    """One trial: it predicts by the mean of its fold models."""

    trial: int
    score: float
    config: dict[str, Any]
    models: tuple[FoldModel, ...]

    @property
    def tta(self) -> str:
        """The test-time augmentation of its validation, which its out-of-fold probabilities come from."""
        return str(self.config.get("tta") or "none")


@dataclass(frozen=True)
class Component:
    """The members that came from one study; given: they know only images of that class."""

    study: str
    trainable: str
    target: Target
    members: tuple[Member, ...]
    given: Given | None = None
    own_code: Mapping[str, Any] | None = None  # as in its study's header

    @property
    def term(self) -> Term:
        return Term(self.target, self.given, self.study)


@dataclass(frozen=True, repr=False)
class Ensemble:
    """Components, each voting on its own target; `chain_rule.combine` makes one answer of several.

    In a notebook it shows what it predicts, what it is made of, and its estimates.
    """

    path: Path  # the folder
    components: tuple[Component, ...]
    target: Target  # what all components together predict
    vote: str  # over the members of a component: a key of VOTES
    tta: str | None  # test-time augmentation of predictions; None leaves each member its own
    record: Mapping[str, Any]  # the whole of ensemble.json, estimates and fingerprints included
    trust: bool = False  # the user said that the code it names may be imported, wherever that lies

    def __repr__(self) -> str:
        """The whole record would fill pages; it is in `record`."""
        return f"Ensemble({str(self.path)!r})"

    @classmethod
    def load(cls, path: Path | str, *, trust: bool = False) -> Ensemble:
        """Raises EnsembleError for a folder that is no ensemble, is damaged, or is of another format.

        trust: whether code that it names may be imported which is neither installed nor known here, and
        links in it followed out of it.
        """
        path = Path(path)
        if not trust and (links := links_out_of(path)):
            raise EnsembleError(
                f"{links[0]} is a link that leads out of the ensemble; say --trust to follow it"
            )
        record = _read_record(path)
        try:
            ensemble = cls._parse(path, record)
        except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
            raise EnsembleError(
                f"{path / RECORD} is damaged ({type(error).__name__}: {error}); write the ensemble anew"
            ) from error
        for model in ensemble.models():  # by size; contents are checked when a model is loaded
            _check_file(path, model)
        return replace(ensemble, trust=trust)

    @classmethod
    def _parse(cls, path: Path, record: Mapping[str, Any]) -> Ensemble:
        target = target_from_json(record["target"])
        components = tuple(_component(item) for item in record["parts"])
        if record["vote"] not in VOTES or record["tta"] not in (None, *TTA):
            raise ValueError(f"vote {record['vote']!r} or tta {record['tta']!r} is not known")
        if not _make_up(target, [component.term for component in components]):
            raise ValueError("the parts' targets do not make up the target")
        return cls(path, components, target, record["vote"], record["tta"], record)

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

        A folder of version 0.1 has no meanings. Raises EnsembleError for a folder that is damaged.
        """
        try:
            words = _read_words(self.path) or _words_of_0_1(str(self.record["metric"]))
            numbers = self.record["estimates"]
            return [Estimate(**{**numbers[key], **said}) for key, said in words.items()]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise EnsembleError(
                f"{self.path / WORDS} is damaged ({type(error).__name__}: {error}); write the ensemble anew"
            ) from error

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every metric that applies, the one that decided first: {"oof", "mean", "sd", "folds", "mode"} each.

        Of its out-of-fold rows; None stands for what is undefined. Empty in a folder of version 0.2 or older.
        """
        return dict(self.record.get("metrics", {}))

    def models(self) -> list[FoldModel]:
        return [
            model for component in self.components for member in component.members for model in member.models
        ]

    def tta_differs(self, tta: str | None = None) -> bool:
        """Whether predictions with it come from other views than the members' out-of-fold rows."""
        used = self.tta if tta is None else tta
        members = [member for component in self.components for member in component.members]
        return used is not None and any(member.tta != used for member in members)

    def predict(
        self,
        paths: Sequence[Path | str],
        progress: Progress | None = None,
        tta: str | None = None,
        resources: Resources | None = None,
        columns: Columns | None = None,
    ) -> Probabilities:
        """Class probabilities (hard voting: shares of votes), (len(paths), len(classes)).

        The rows sum to 1; where an image may have several labels (`task.multi_label`), each is in [0, 1] by
        itself, and a label holds from 0.5 on unless a threshold of its own says otherwise.

        tta: views of an image, by default those the ensemble says. resources: by default a GPU if there is
        one, else all cores. columns: the manifest's, each of len(paths), for preprocessing that reads them.
        `progress` counts images times models. Raises EnsembleError, ImageReadError, TrainableError.
        """
        tta = self.tta if tta is None else tta
        if tta not in (None, *TTA):
            raise EnsembleError(f"tta={tta!r} is not known; use one of {', '.join(TTA)}")
        if not paths:
            return np.zeros((0, len(self.classes)), dtype=np.float32)
        self.check_code()
        run = _Run(
            self.path, [str(path) for path in paths], columns, tta, progress, resources, len(self.models())
        )
        voted = [
            vote_of(self.vote, self.task.multi_label)(
                [run.member(component, member) for member in component.members]
            )
            for component in self.components
        ]
        return combine(self.target, [component.term for component in self.components], voted)

    def check_code(self) -> None:
        """Raises TrainableError where it names code that is neither installed nor known here nor trusted."""
        from orchestrator.space.own_code import known_beside  # not for who only looks at its scores

        for component in self.components:
            known_beside(component.own_code, [component.trainable], self.path, self.trust)

    def _repr_html_(self) -> str:
        members = counted(sum(len(component.members) for component in self.components), "trial")
        models = counted(len(self.models()), "model")
        facts = {
            "predicts": formula(self.target, [component.term for component in self.components]),
            "classes": ", ".join(self.classes),
            "made of": f"{members}, {models}, {self.vote} vote",
            "studies": ", ".join(component.study for component in self.components),
            "folder": str(self.path),
        }
        cells = (f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in facts.items())
        return f"<table>{''.join(cells)}</table>{''.join(item._repr_html_() for item in self.estimates)}"


def _make_up(target: Target, terms: Sequence[Term]) -> bool:
    """Whether the terms, in this order, are what `target` is combined from."""
    if len(terms) == 1:
        return terms[0].target == target
    joint = target if isinstance(target, Joint) and terms[0].target in target.parts else None
    return resolve_terms(terms, joint) == (target, list(range(len(terms))))


class _Run:
    """One prediction under way."""

    def __init__(
        self,
        folder: Path,
        paths: Sequence[str],
        columns: Columns | None,
        tta: str | None,
        progress: Progress | None,
        resources: Resources | None,
        models: int,
    ) -> None:
        self._folder = folder
        self._paths = paths
        self._columns = columns
        self._tta = tta
        self._progress = progress
        self._resources = resources
        self._total = models * len(paths)
        self._models_done = 0

    def member(self, component: Component, member: Member) -> Probabilities:
        """Mean over the fold models, one after another."""
        total = np.zeros((len(self._paths), len(component.target.classes)))  # float64: a sum of many
        for model in member.models:
            total += self._model(component, member, model)
            self._models_done += 1
            self._advance(0, len(self._paths))
        return (total / len(member.models)).astype(np.float32)

    def _model(self, component: Component, member: Member, model: FoldModel) -> Probabilities:
        classes = len(component.target.classes)
        predictor = load_trainable(component.trainable).load_predictor(
            _weights(self._folder, model), member.config, classes, self._resources
        )
        tta = member.tta if self._tta is None else self._tta
        probabilities = predictor.predict(self._paths, tta, self._advance, columns=self._columns)
        fault = shape_fault(probabilities, len(self._paths), classes)
        fault = fault or value_fault(probabilities, self._paths)
        if not fault and component.target.multi_label:
            fault = label_fault(probabilities, self._paths)
        if fault:
            raise EnsembleError(f"{self._folder / model.weights}: the prediction is wrong: {fault}")
        return probabilities

    def _advance(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(self._models_done * len(self._paths) + done, self._total)


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
    except OSError as error:
        raise EnsembleError(f"{path} is no ensemble: {RECORD}: {error.strerror}; name its folder") from error
    except ValueError as error:
        raise EnsembleError(f"{path / RECORD} is damaged ({error}); write the ensemble anew") from error
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        raise EnsembleError(f"{path / RECORD}: format {found} is not {FORMAT}; use the version that wrote it")
    return dict(record)


def _read_words(path: Path) -> dict[str, dict[str, str]] | None:
    """What each estimate is called and means. Raises OSError, TypeError and ValueError as they come."""
    file = path / WORDS
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _words_of_0_1(metric: str) -> dict[str, dict[str, str]]:
    """For a folder of that version, which has no meanings."""
    return {"naive": {"title": f"OOF {metric}"}, "bbc": {"title": f"BBC-CV {metric}"}}


def _component(record: Mapping[str, Any]) -> Component:
    members = tuple(
        Member(
            int(item["trial"]),
            float(item["score"]),
            dict(item["config"]),
            tuple(FoldModel(**model) for model in item["models"]),
        )
        for item in record["members"]
    )
    if not members or not all(member.models for member in members):
        raise ValueError("a part without members, or a member without models")
    if not all(member.tta in TTA for member in members):
        raise ValueError(f"a member's tta is none of {', '.join(TTA)}")
    target, given = target_from_json(record["target"]), given_from_json(record.get("given"))
    own_code = record.get("own_code")  # not kept until version 0.2
    if own_code is not None and not isinstance(own_code.get("space_file"), str):
        raise ValueError("own_code names no space file")
    return Component(record["study"], str(record["trainable"]), target, members, given, own_code)


def _check_file(folder: Path, model: FoldModel) -> None:
    relative = PurePosixPath(model.weights)
    if relative.is_absolute() or ".." in relative.parts:
        raise EnsembleError(f"{folder / RECORD} names {model.weights}, which lies outside the folder")
    path = folder / relative
    if not path.is_file() or path.stat().st_size != model.size:
        raise EnsembleError(f"{path} is missing or not {model.size} bytes long; write the ensemble anew")


def _weights(folder: Path, model: FoldModel) -> bytes:
    data = (folder / model.weights).read_bytes()
    if digest_of(data) != model.sha256:
        raise EnsembleError(f"{folder / model.weights} is not what was written; write the ensemble anew")
    return data

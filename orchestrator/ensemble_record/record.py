"""ensemble.json: what an ensemble is made of, how its members become one answer, and all that is known of it.

An answer is `decisions(temperature(sum over routes of weight * route))`. A route is a product of terms by the
chain rule, or one term alone; a term is a weighted vote of members, which may come from several studies.
docs/reference/ensemble_json.md says what each field holds. Folders of format 1 are read into the same
dataclasses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.core.choices import TTA
from orchestrator.core.errors import EnsembleError, InputError
from orchestrator.core.file_digest import digest_of
from orchestrator.core.json_text import parse_json
from orchestrator.core.regular_files import read_file
from orchestrator.core.task import Task
from orchestrator.core.typed_fields import check_fields
from orchestrator.data.targets import (
    Given,
    Joint,
    Target,
    given_from_json,
    given_to_json,
    target_from_json,
)
from orchestrator.ensemble_record.chain_rule import Term, resolve_terms
from orchestrator.evaluation.calibration import Temperature
from orchestrator.evaluation.decisions import Decisions
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.fitted_vote import FittedVote
from orchestrator.evaluation.ranks import Quantiles

FORMAT = 2  # of what is written; format 1 is read too, another one refused, never guessed at
RECORD = "ensemble.json"
DIGEST = "digest"
"""The field that tells of a change to the others; not there until version 0.3."""
_MODES = ("max", "min")
_SUM = 1e-6  # how far from 1 the weights of a vote, or of the routes, may sum


@dataclass(frozen=True)
class FoldModel:
    """One epoch of one fold run; the best one, where nothing else was chosen."""

    fold: int  # that it did not train on
    epoch: int  # epochs done, from 1
    score: float  # the metric on its validation rows
    weights: str = ""  # path in the folder; "" until they are written
    size: int = 0  # bytes
    sha256: str = ""  # hex

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> FoldModel:
        check_fields(cls, record)
        model = cls(**record)
        relative = PurePosixPath(model.weights)
        if not model.weights or relative.is_absolute() or ".." in relative.parts:
            raise ValueError(f"it names {model.weights!r}, which lies outside the folder")
        return model


@dataclass(frozen=True)
class Member:
    """One trial of one study: it predicts by the mean of its fold models."""

    study: str
    trainable: str
    trial: int
    score: float  # mean over folds of the study's metric
    weight: float  # in the vote of its term
    config: dict[str, Any]
    models: tuple[FoldModel, ...]
    own_code: Mapping[str, Any] | None = None  # as in its study's header

    @property
    def tta(self) -> str:
        """The test-time augmentation of its validation, which its out-of-fold probabilities come from."""
        return str(self.config.get("tta") or "none")

    def to_json(self) -> dict[str, Any]:
        made = asdict(replace(self, own_code=None))
        if self.own_code is None:
            del made["own_code"]
        else:
            made["own_code"] = dict(self.own_code)
        return made

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Member:
        models = tuple(FoldModel.from_json(model) for model in record["models"])
        own_code = record.get("own_code")  # not kept until version 0.2
        member = cls(
            str(record["study"]),
            str(record["trainable"]),
            int(record["trial"]),
            float(record["score"]),
            _weight(record["weight"]),
            dict(record["config"]),
            models,
            own_code,
        )
        check_fields(cls, vars(member))
        if not models:
            raise ValueError(f"trial {member.trial} has no models")
        if member.tta not in TTA:
            raise ValueError(f"trial {member.trial} has tta {member.tta!r}, none of {', '.join(TTA)}")
        if own_code is not None and not isinstance(own_code.get("space_file"), str):
            raise ValueError("own_code names no space file")
        return member


@dataclass(frozen=True)
class Component:
    """The vote on one target; given: its members know only images of that class."""

    target: Target
    members: tuple[Member, ...]
    given: Given | None = None
    vote: str = "soft"  # over members: a kind of `FittedVote`
    temperature: Mapping[str, Any] | None = None  # of the vote, as `Temperature.to_json`
    quantiles: Quantiles = ()  # of a rank vote: what its members' probabilities are compared with
    in_order: bool = False  # of format 1: sums follow the members' order, so that it predicts the same bytes

    @property
    def study(self) -> str:
        """Where its members come from, each name once."""
        return ", ".join(dict.fromkeys(member.study for member in self.members))

    @property
    def term(self) -> Term:
        return Term(self.target, self.given, self.study)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the members, in their order."""
        return tuple(member.weight for member in self.members)

    @property
    def fitted(self) -> FittedVote:
        """Raises EnsembleError for a kind that is not known."""
        return FittedVote(self.vote, self.weights, self.target.multi_label, self.quantiles)

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target.to_json(),
            "given": None if self.given is None else given_to_json(self.given),
            "vote": self.fitted.to_json(),
            "temperature": None if self.temperature is None else dict(self.temperature),
            "members": [member.to_json() for member in self.members],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Component:
        members = tuple(Member.from_json(member) for member in record["members"])
        vote = FittedVote.from_json(record["vote"])
        component = cls(
            target_from_json(record["target"]),
            members,
            given_from_json(record.get("given")),
            vote.kind,
            record.get("temperature"),
            vote.quantiles,
        )
        if vote != component.fitted:
            raise ValueError(f"the vote's weights {list(vote.weights)} are not those of its members")
        _check_temperature(component.temperature, component.target)
        _check_shares(component.weights, f"a vote of {len(members)}")
        return component


@dataclass(frozen=True)
class Route:
    """One way to the whole answer."""

    weight: float  # its share in the answer; those of all routes sum to 1
    terms: tuple[Component, ...]  # in the order of `chain_rule.resolve_terms`

    def to_json(self) -> dict[str, Any]:
        return {"weight": self.weight, "terms": [term.to_json() for term in self.terms]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Route:
        terms = tuple(Component.from_json(term) for term in record["terms"])
        if not terms:
            raise ValueError("a route without terms")
        return cls(_weight(record["weight"]), terms)

    def with_members(self, change: Callable[[Member], Member]) -> Route:
        def changed(term: Component) -> Component:
            return replace(term, members=tuple(change(member) for member in term.members))

        return replace(self, terms=tuple(changed(term) for term in self.terms))

    def leads_to(self, target: Target) -> bool:
        """Whether the terms, in this order, are what `target` is combined from."""
        terms = [component.term for component in self.terms]
        if len(terms) == 1:
            return terms[0].target == target
        joint = target if isinstance(target, Joint) and terms and terms[0].target in target.parts else None
        return resolve_terms(terms, joint) == (target, list(range(len(terms))))


@dataclass(frozen=True)
class EnsembleRecord:
    """The whole of ensemble.json. What has no default is needed to predict."""

    target: Target  # what all routes predict
    metric: str  # of the studies
    mode: str  # "max" where a larger value is better, "min" where a smaller one is
    routes: tuple[Route, ...]
    tta: str | None = None  # views of an image in predictions; None leaves each member its own
    temperature: Mapping[str, Any] | None = None  # of the answer, as `Temperature.to_json`
    decisions: Mapping[str, Any] | None = None  # as `Decisions.to_json`
    spellings: Mapping[str, Sequence[str]] = field(
        default_factory=dict
    )  # column -> how it writes the classes
    choice: Mapping[str, Any] = field(
        default_factory=dict
    )  # what was considered, and why it was taken or not
    estimates: Mapping[str, Estimate] = field(default_factory=dict)  # key -> estimate, in printed order
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # the deciding one first
    comparisons: Sequence[Mapping[str, Any]] = ()  # of product, joint model and blend on the same rows
    studies: Sequence[str] = ()  # their names
    candidates: Sequence[int] = ()  # complete trials of each study
    manifest: Mapping[str, Any] = field(default_factory=dict)  # name and fingerprint, of the first study
    fold_plan: Mapping[str, Any] = field(default_factory=dict)  # k, seed and fingerprint
    train_digest: str | None = None  # of which row is in which fold; None until version 0.2

    @property
    def task(self) -> Task:
        return self.target.task

    @property
    def components(self) -> tuple[Component, ...]:
        """The terms of all routes."""
        return tuple(term for route in self.routes for term in route.terms)

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(member for component in self.components for member in component.members)

    def with_members(self, change: Callable[[Member], Member]) -> EnsembleRecord:
        """The same with each member changed, such as one whose other models were left out."""
        return replace(self, routes=tuple(route.with_members(change) for route in self.routes))

    def to_json(self) -> dict[str, Any]:
        """JSON values without NaN. Inverse: `from_json`."""
        task = {"multi_label": self.task.multi_label, "ordered": self.task.ordered}
        return {
            "format": FORMAT,
            "classes": list(self.target.classes),  # for other programs, which need not know targets
            "task": task,
            "target": self.target.to_json(),
            "metric": self.metric,
            "mode": self.mode,
            "tta": self.tta,
            "routes": [route.to_json() for route in self.routes],
            "temperature": None if self.temperature is None else dict(self.temperature),
            "decisions": None if self.decisions is None else dict(self.decisions),
            "spellings": {column: list(names) for column, names in self.spellings.items()},
            "choice": _finite(self.choice),
            "estimates": [_finite({**asdict(item), "key": key}) for key, item in self.estimates.items()],
            "metrics": _finite(self.metrics),
            "comparisons": _finite(self.comparisons),
            "studies": list(self.studies),
            "candidates": list(self.candidates),
            "manifest": dict(self.manifest),
            "fold_plan": dict(self.fold_plan),
            "train_digest": self.train_digest,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> EnsembleRecord:
        """Of format 2. Raises KeyError, TypeError, ValueError, AttributeError, InputError."""
        made = cls(
            target_from_json(record["target"]),
            str(record["metric"]),
            str(record["mode"]),
            tuple(Route.from_json(route) for route in record["routes"]),
            record["tta"],
            record["temperature"],
            record["decisions"],
            dict(record["spellings"]),
            dict(record["choice"]),
            {str(item["key"]): Estimate.from_json(item) for item in record["estimates"]},
            dict(record["metrics"]),
            list(record["comparisons"]),
            list(record["studies"]),
            list(record["candidates"]),
            dict(record["manifest"]),
            dict(record["fold_plan"]),
            record["train_digest"],
        )
        check_fields(cls, vars(made))
        made.check()
        return made

    def check(self) -> None:
        """Raises ValueError and EnsembleError for what cannot predict."""
        if self.tta not in (None, *TTA):
            raise ValueError(f"tta {self.tta!r} is none of {', '.join(TTA)}")
        if self.mode not in _MODES:
            raise ValueError(f"mode {self.mode!r} is neither max nor min")
        _check_shares([route.weight for route in self.routes], f"an answer of {len(self.routes)} routes")
        if not all(route.leads_to(self.target) for route in self.routes):
            raise ValueError("the terms' targets do not make up the target")
        _check_temperature(self.temperature, self.target)
        _check_decisions(self.decisions, self.target)


def read_record(folder: Path) -> EnsembleRecord:
    """Raises EnsembleError for a folder that is no ensemble, is damaged, or is of another format."""
    from orchestrator.ensemble_record.format_1 import record_of_format_1  # it makes what is defined here

    path = folder / RECORD
    record = _json_of(path, folder)
    if record.pop(DIGEST, None) not in (None, record_digest(record)):
        raise EnsembleError(
            f"{path} is damaged, or was changed after it was written, as its digest says; write the ensemble "
            "anew"
        )
    found = record.get("format")
    if found not in (1, FORMAT):
        raise EnsembleError(
            f"{path}: format {found} is neither 1 nor {FORMAT}; use the version that wrote it"
        )
    try:
        return record_of_format_1(folder, record) if found == 1 else EnsembleRecord.from_json(record)
    except (LookupError, TypeError, ValueError, AttributeError, InputError) as error:
        if isinstance(error, EnsembleError) and "is damaged" in str(error):
            raise  # of a file beside it, which it names
        raise EnsembleError(
            f"{path} is damaged ({type(error).__name__}: {error}); write the ensemble anew"
        ) from error


def record_bytes(record: EnsembleRecord) -> bytes:
    """What ensemble.json holds. Raises ValueError where it could not be read back."""
    record.check()
    return sealed(record.to_json()).encode()


def sealed(record: Mapping[str, Any]) -> str:
    """As JSON, with the digest of what it says. Raises ValueError for what is no JSON."""
    made = json.loads(json.dumps(record, allow_nan=False))  # as it will be read
    return json.dumps({**made, DIGEST: record_digest(made)}, indent=1)


def record_digest(record: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what it says, however it is laid out."""
    return digest_of(json.dumps(record, sort_keys=True).encode())


def _json_of(path: Path, folder: Path) -> dict[str, Any]:
    try:
        record = parse_json(read_file(path))
    except OSError as error:
        raise EnsembleError(
            f"{folder} is no ensemble: {RECORD}: {error.strerror}; name its folder"
        ) from error
    except ValueError as error:
        raise EnsembleError(f"{path} is damaged ({error}); write the ensemble anew") from error
    if not isinstance(record, dict):
        raise EnsembleError(f"{path} is damaged (it holds no object); write the ensemble anew")
    return record


def _weight(value: Any) -> float:
    weight = float(value)
    if not math.isfinite(weight) or weight < 0:
        raise ValueError(f"a weight is {value!r}; weights are finite and not negative")
    return weight


def _check_shares(weights: Sequence[float], whose: str) -> None:
    if not weights:
        raise ValueError(f"{whose} has no parts")
    if abs(math.fsum(weights) - 1) > _SUM:
        raise ValueError(f"the weights of {whose} sum to {math.fsum(weights):g}, not to 1")


def _check_temperature(record: Mapping[str, Any] | None, target: Target) -> None:
    if record is None:
        return
    found = Temperature.from_json(record)
    if not (math.isfinite(found.value) and found.value > 0) or found.multi_label != target.multi_label:
        raise ValueError(f"temperature {dict(record)} is not of {target.name!r}")


def _check_decisions(record: Mapping[str, Any] | None, target: Target) -> None:
    if record is None:
        return
    found, size = Decisions.from_json(record), len(target.classes)
    due = {"offsets": size, "cut_points": size - 1, "thresholds": size}[found.kind]
    if len(found.values) != due or (found.kind == "thresholds") != target.multi_label:
        raise ValueError(f"decisions {found.kind} of {len(found.values)} values are not of {target.name!r}")


def _finite(value: Any) -> Any:
    """JSON has no NaN: null stands for what is undefined."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

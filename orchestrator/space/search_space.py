"""A search space: what may vary, how it is judged, which trainable.

    space = SearchSpace(
        trainable="trainables.image_classifier:ImageClassifier",
        target=age_bins([30, 60]),
        params={"lr": loguniform(1e-5, 1e-3), "optimizer": choice(["sgd", "adamw"]),
                "momentum": uniform(0.8, 0.99).when(optimizer="sgd"), "batch_size": 64},
        folds=5, trials=64, max_t=18, grace_period=2,
        scales={"small": Scale(trials=6, max_t=4, folds=3), "smoke": Scale(trials=2, max_t=1, folds=2)},
    )

It is data: `to_json` and `from_json` are inverses, so that a study's journal carries the whole space and
nothing of a run folder is ever executed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from orchestrator.core.choices import SCALES
from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.metrics import check_applies, check_metric
from orchestrator.core.text import shortened
from orchestrator.core.trainable import Parameter, dotted_name
from orchestrator.data.targets import (
    Given,
    Joint,
    Target,
    categorical,
    given_from_json,
    given_to_json,
    target_from_json,
)
from orchestrator.data.targets.cells import value_key
from orchestrator.space.domains import (
    Domain,
    as_domain,
    constant,
)
from orchestrator.space.parameter_check import check_domains

LadderRung = tuple[int, int, int]
"""(folds, epochs, quota)"""


@dataclass(frozen=True)
class Scale:
    """What a smaller size replaces; None keeps the space's own. params override the space's."""

    trials: int | None = None
    max_t: int | None = None
    folds: int | None = None
    grace_period: int | None = None
    reduction_factor: int | None = None
    finalists: int | None = None
    ladder: Sequence[LadderRung] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchSpace:
    """See the module's docstring. Raises SearchSpaceError for what cannot be searched."""

    trainable: str  # "module:Class"; the class itself may be given and is stored as that
    target: Target  # what is predicted; the name of a column may be given and is stored as categorical(name)
    params: Mapping[str, Any]  # name -> a value, or a domain of values
    metric: str = "macro_f1"  # a name of docs/reference/metrics.md, or "module:function" of your own
    mode: str = ""  # "max" or "min"; left out, it is the metric's own; needed for one of your own
    folds: int = 5  # of every trial that completes
    trials: int = 64  # configurations
    max_t: int = 18  # epochs of a fold run at full length
    grace_period: int = 1  # epochs before anything is decided
    reduction_factor: int = 3  # about one trial in so many goes on from a rung
    finalists: int = 3  # trials that complete all folds
    ladder: Sequence[LadderRung] | None = None  # None makes the default one
    group: str | None = None  # a column of the manifest; None leaves it to the importer
    stratify: Sequence[Target] = ()  # targets that folds are balanced over; by default the target
    fold_column: str | None = None  # a column of the manifest that says the fold; None makes folds here
    joint: Joint | None = None  # how the targets of several studies make one label
    given: Given | None = None  # (GENDER, "female"): learn from and score its rows alone, for P(age | gender)
    scales: Mapping[str, Scale] = field(default_factory=dict)  # of the names small and smoke

    def __post_init__(self) -> None:
        object.__setattr__(self, "trainable", dotted_name(self.trainable))
        object.__setattr__(self, "target", _as_target("target", self.target))
        _check_targets(self)
        object.__setattr__(self, "params", {name: as_domain(value) for name, value in self.params.items()})
        object.__setattr__(self, "stratify", tuple(self.stratify) or (self.target,))
        if self.ladder is not None:
            object.__setattr__(self, "ladder", tuple(tuple(rung) for rung in self.ladder))
        if self.given is not None:
            object.__setattr__(self, "given", _checked_given(self))
        _check_numbers(self)
        _check_conditions(self.params)
        object.__setattr__(self, "mode", check_metric(self.metric, self.mode))
        for target in (self.target, self.joint):
            if target is not None and not target.is_open:
                check_applies(self.metric, target.task)
        unknown = sorted(set(self.scales) - set(SCALES[1:]))
        if unknown:
            raise SearchSpaceError(f"scale {unknown[0]!r} is not known; a space may declare small and smoke")

    @property
    def domains(self) -> dict[str, Domain]:
        return dict(self.params)

    def varied(self) -> tuple[str, ...]:
        """Names of the parameters with more than one value."""
        return tuple(name for name, domain in self.domains.items() if len(domain.finite() or (0, 1)) > 1)

    def at_scale(self, scale: str) -> SearchSpace:
        """The space with that scale's numbers; "full" is the space itself."""
        if scale == "full":
            return self
        if scale not in self.scales:
            declared = ", ".join(["full", *self.scales])
            raise SearchSpaceError(f"--scale {scale}: this space declares only {declared}")
        chosen = self.scales[scale]
        numbers = {
            item.name: getattr(chosen, item.name)
            for item in fields(Scale)
            if item.name != "params" and getattr(chosen, item.name) is not None
        }
        if "ladder" not in numbers and ({"trials", "max_t", "folds", "finalists"} & numbers.keys()):
            numbers["ladder"] = None  # the full ladder does not fit other numbers
        return replace(self, params=_overridden(self.params, chosen.params), **numbers)

    def narrowed(self, settings: Mapping[str, Any]) -> SearchSpace:
        """The space with each named parameter fixed to one value (`--set key=value`)."""
        fixed = {name: constant(value) for name, value in settings.items()}
        return replace(self, params=_overridden(self.params, fixed))

    def check_parameters(self, accepted: Mapping[str, Parameter]) -> None:
        """Every parameter exists in the trainable and every value is one it accepts."""
        check_domains(self.domains, accepted, self.trainable)

    def to_json(self) -> dict[str, Any]:
        record = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            **record,
            "target": self.target.to_json(),
            "params": {name: domain.to_json() for name, domain in self.domains.items()},
            "ladder": None if self.ladder is None else [list(rung) for rung in self.ladder],
            "stratify": [target.to_json() for target in self.stratify],
            "joint": None if self.joint is None else self.joint.to_json(),
            "given": None if self.given is None else given_to_json(self.given),
            "scales": {},  # a study is one scale; the others stay in the space's file
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> SearchSpace:
        parsed = dict(record)
        parsed["target"] = target_from_json(record["target"])
        parsed["params"] = {name: Domain.from_json(item) for name, item in record["params"].items()}
        parsed["stratify"] = [target_from_json(item) for item in record["stratify"]]
        parsed["joint"] = None if record["joint"] is None else target_from_json(record["joint"])
        parsed["given"] = given_from_json(record.get("given"))  # journals of before it have none
        return cls(**parsed)


def _check_targets(space: SearchSpace) -> None:
    if isinstance(space.stratify, str | Target):
        raise SearchSpaceError(
            f"stratify={space.stratify!r} must be a list of targets, such as [age_bins([30, 60])]"
        )
    object.__setattr__(space, "stratify", tuple(_as_target("stratify", item) for item in space.stratify))
    if space.joint is not None and space.target.multi_label:
        raise SearchSpaceError(
            f"joint: target {space.target.name!r} is multi-label and no part of one label; leave joint out"
        )
    if space.joint is not None and not isinstance(space.joint, Joint):
        raise SearchSpaceError(
            f"joint={space.joint!r} is no joint target; write joint(...) with the targets of all its studies"
        )


def _as_target(name: str, value: object) -> Target:
    """The name of a column stands for its categories."""
    if isinstance(value, str):
        return categorical(value)
    if not isinstance(value, Target):
        raise SearchSpaceError(
            f"{name}={value!r} is no target; give the name of a column, or one such as categorical(...)"
        )
    return value


def _checked_given(space: SearchSpace) -> Given:
    given: object = space.given
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise SearchSpaceError(f"given={given!r} must be a target and one of its classes: (GENDER, 'female')")
    target, name = given[0], str(given[1])
    if not isinstance(target, Target):
        raise SearchSpaceError(f"given={given!r} must begin with a target, such as categorical(...)")
    several = next((item.name for item in (space.target, target) if item.multi_label), None)
    if several is not None:
        raise SearchSpaceError(
            f"given: target {several!r} is multi-label, and a condition is one class; leave given out, or "
            "make the label a target of its own: categorical(...)"
        )
    name = next((own for own in target.classes if value_key(own) == value_key(name)), name)
    if not target.is_open and name not in target.classes:
        raise SearchSpaceError(
            f"given: target {target.name!r} has no class {name!r}; use one of {shortened(target.classes, 20)}"
        )
    own = (space.target, *(space.target.parts if isinstance(space.target, Joint) else ()))
    if target in own:
        raise SearchSpaceError(
            f"given: {target.name!r} is what the space itself predicts; name another target"
        )
    if space.joint is not None and target not in space.joint.parts:
        raise SearchSpaceError(
            f"given: target {target.name!r} is no part of the joint target {space.joint.name!r} "
            f"({', '.join(part.name for part in space.joint.parts)}); take it from there"
        )
    return target, name


def _check_numbers(space: SearchSpace) -> None:
    for name, least in (
        ("folds", 2 if space.fold_column is None else 1),
        ("trials", 1),
        ("max_t", 1),
        ("grace_period", 1),
        ("reduction_factor", 2),
        ("finalists", 1),
    ):
        value = getattr(space, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise SearchSpaceError(f"{name}={value!r} must be a whole number of at least {least}")
    if space.grace_period > space.max_t:
        raise SearchSpaceError(
            f"grace_period={space.grace_period} is longer than max_t={space.max_t}; lower one of them"
        )
    if ":" not in space.trainable:
        raise SearchSpaceError(f"trainable={space.trainable!r} must read 'module:Class'")


def _overridden(params: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Domain]:
    """Params with some of them replaced; conditional ones that can no longer be active are left out.

    A parameter that is itself replaced stays, conditions or not: it was asked for.
    """
    merged = {name: as_domain(value) for name, value in {**params, **changes}.items()}
    while gone := [name for name in merged if name not in changes and not _can_be_active(name, merged)]:
        for name in gone:
            del merged[name]
    return merged


def _can_be_active(name: str, params: Mapping[str, Domain]) -> bool:
    for other, allowed in params[name].conditions.items():
        possible = params[other].finite() if other in params else ()
        if possible is not None and not set(map(repr, allowed)) & set(map(repr, possible)):
            return False
    return True


def _check_conditions(params: Mapping[str, Domain]) -> None:
    for name, domain in params.items():
        for other in domain.conditions:
            if other not in params:
                raise SearchSpaceError(
                    f"parameter {name!r} depends on {other!r}, which the space does not have"
                )
        if not _can_be_active(name, params):
            when = ", ".join(f"{other} in {list(values)}" for other, values in domain.conditions.items())
            raise SearchSpaceError(
                f"parameter {name!r} exists only for {when}; the space has no such value, "
                "so it is never active"
            )
    ordered(params)


def ordered(params: Mapping[str, Domain]) -> list[str]:
    """Parameter names, each after those it depends on; otherwise as declared. Raises on a cycle."""
    placed: list[str] = []  # sampling takes this order: a condition needs the value it asks for
    waiting = list(params)
    while waiting:
        ready = [name for name in waiting if set(params[name].conditions) <= set(placed)]
        if not ready:
            raise SearchSpaceError(f"parameters {', '.join(waiting)} depend on each other in a circle")
        placed.append(ready[0])
        waiting.remove(ready[0])
    return placed

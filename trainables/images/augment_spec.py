"""A specification of augmentation steps, made into an albumentations pipeline; the language: augment.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import albumentations as A

from trainables.images.augment_steps import KINDS, Make, Shape
from trainables.images.step_language import Argument, Call, Error, bound, error_in, known, parse_calls

_P = Argument(1.0)
_GROUPS = ("one_of", "some_of")
STEPS = (*KINDS, *_GROUPS)
"""Every name a specification may use."""


@dataclass(frozen=True)
class Single:
    name: str
    p: float
    make: Make
    arguments: Mapping[str, Any]

    def transform(self, shape: Shape) -> Any:
        return self.make(shape, self.p, **self.arguments)


@dataclass(frozen=True)
class Group:
    """n of its steps; n None: one, the steps' own p being how likely each is chosen."""

    p: float
    n: int | None
    steps: tuple[Step, ...]

    def transform(self, shape: Shape) -> Any:
        steps = [step.transform(shape) for step in self.steps]
        return (
            A.OneOf(steps, p=self.p) if self.n is None else A.SomeOf(steps, n=self.n, replace=False, p=self.p)
        )


Step = Single | Group


def pipeline_of(steps: Sequence[Step], shape: Shape) -> A.Compose:
    """For images of this height and width."""
    return A.Compose([step.transform(shape) for step in steps])


def parse_augment(spec: str, parameter: str = "augment") -> tuple[Step, ...]:
    """The steps of a specification. Raises TrainableError that points at the piece."""
    error = error_in(spec, parameter)
    return tuple(_step(call, error) for call in parse_calls(spec, parameter))


def _step(call: Call, error: Error) -> Step:
    known(call, STEPS, error)
    if call.name in _GROUPS:
        return _group(call, error)
    kind = KINDS[call.name]
    values = bound(call, {**kind.arguments, "p": Argument(kind.p)}, error)
    return Single(call.name, values.pop("p"), kind.make, values)


def _group(call: Call, error: Error) -> Group:
    """one_of(steps..., p=1) or some_of(n, steps..., p=1)."""
    count = 1 if call.name == "some_of" else 0
    pieces = call.positional[count:]
    for piece in pieces:
        if not isinstance(piece, Call):
            raise error(f"{call.text}: {piece!r} is no step")
    steps = tuple(_step(piece, error) for piece in pieces)
    rest = Call(call.name, call.positional[:count], call.named, call.text)
    number = {"n": Argument(low=1, high=max(1, len(steps)), whole=True)} if count else {}
    values = bound(rest, {**number, "p": _P}, error)
    n = values.get("n")
    possible = sum(step.p > 0 for step in steps)
    if possible < (n or 1):
        raise error(f"{call.text} needs {n or 1} steps to choose from whose p is above 0, and has {possible}")
    return Group(values["p"], n, steps)

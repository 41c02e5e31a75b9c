"""A specification of augmentation steps, made into something that draws; see augment.py for the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainables.augment_ops import Images, Op, apply_ops
from trainables.augment_steps import KINDS, Draw, Rng, Shape
from trainables.spec import Argument, Call, Error, bound, error_in, known, parse_calls

_P = Argument(1.0)
_GROUPS = ("one_of", "some_of")
STEPS = (*KINDS, *_GROUPS)
"""Every name a specification may use."""


class Step(Protocol):
    """Does something with probability p; `draw` says what, given that it does."""

    @property
    def p(self) -> float: ...

    def draw(self, rng: Rng, shape: Shape) -> list[Op]: ...


@dataclass(frozen=True)
class Single:
    p: float
    make: Draw
    arguments: Mapping[str, Any]

    def draw(self, rng: Rng, shape: Shape) -> list[Op]:
        return self.make(rng, shape, **self.arguments)


@dataclass(frozen=True)
class Group:
    """n of its steps, in their order; their own p are how likely each is chosen, then it is done."""

    p: float
    n: int
    steps: tuple[Step, ...]

    def draw(self, rng: Rng, shape: Shape) -> list[Op]:
        weights = np.array([step.p for step in self.steps])
        chosen = rng.choice(len(self.steps), self.n, replace=False, p=weights / weights.sum())
        return [op for index in sorted(chosen) for op in self.steps[index].draw(rng, shape)]


def draw_all(steps: Sequence[Step], rng: Rng, shape: Shape) -> list[Op]:
    """What one image goes through."""
    return [op for step in steps if rng.random() < step.p for op in step.draw(rng, shape)]


class SpecPipeline:
    """A specification over batches. It keeps no state: the result follows from the generator alone."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)

    def __call__(self, images: Images, rng: Rng) -> Images:
        """images (B, H, W, 3) -> the same shape, a new array."""
        shape = (int(images.shape[1]), int(images.shape[2]))
        changed: NDArray[np.uint8] = np.empty_like(images, subok=False)
        for index, image in enumerate(images):
            changed[index] = apply_ops(image, draw_all(self._steps, rng, shape))
        return changed


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
    return Single(values.pop("p"), kind.draw, values)


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
    n = values.get("n", 1)
    possible = sum(step.p > 0 for step in steps)
    if possible < n:
        raise error(f"{call.text} needs {n} steps to choose from whose p is above 0, and has {possible}")
    return Group(values["p"], n, steps)

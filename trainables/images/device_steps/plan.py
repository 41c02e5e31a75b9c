"""Who goes through which step: chance is drawn here, on the host, for all rows of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainables.images.augment_spec import Group, Single, Step
from trainables.images.device_steps.ops import Op, Rows, Shape
from trainables.images.device_steps.table import DRAWS

_OWN_CHANCE = "rand_augment"  # inside one_of it keeps its own p, as some_of does: albumentations' SomeOf


def planned(steps: Sequence[Step], shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    """What is done to these rows, images of this height and width, in order."""
    return [op for step in steps for op in _done(step, shape, _by_chance(rows, step.p, rng), rng)]


def _by_chance(rows: Rows, p: float, rng: np.random.Generator) -> Rows:
    return rows if p >= 1 else rows[rng.random(len(rows)) < p]


def _done(step: Step, shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    """The step on all of the rows."""
    if not len(rows):
        return []
    if isinstance(step, Single):
        return DRAWS[step.name](shape, rows, rng, **step.arguments)
    return _one_of(step, shape, rows, rng) if step.n is None else _some_of(step, step.n, shape, rows, rng)


def _one_of(group: Group, shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    shares = np.array([step.p for step in group.steps])
    choice = rng.choice(len(shares), size=len(rows), p=shares / shares.sum())
    ops: list[Op] = []
    for number, step in enumerate(group.steps):
        chosen = rows[choice == number]
        ops += _done(step, shape, _by_chance(chosen, step.p, rng) if _keeps_chance(step) else chosen, rng)
    return ops


def _keeps_chance(step: Step) -> bool:
    return step.name == _OWN_CHANCE if isinstance(step, Single) else step.n is not None


def _some_of(group: Group, n: int, shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    place = rng.random((len(rows), len(group.steps))).argsort(axis=1).argsort(axis=1)
    return [
        op
        for number, step in enumerate(group.steps)
        for op in planned([step], shape, rows[place[:, number] < n], rng)
    ]

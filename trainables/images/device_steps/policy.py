"""RandAugment (Cubuk et al., 2019) by the table of augment_steps.py, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from trainables.images.device_steps import colours, filters, histogram, moves
from trainables.images.device_steps.ops import Op, Rows, Shape

BoundDraw = Callable[[Shape, Rows, np.random.Generator], list[Op]]


def rand_augment(shape: Shape, rows: Rows, rng: np.random.Generator, n: int, magnitude: float) -> list[Op]:
    """n steps with replacement; of an image's steps the one that comes first in the table is done first."""
    steps = policy_steps(magnitude)
    times = (rng.integers(len(steps), size=(len(rows), n))[:, :, None] == np.arange(len(steps))).sum(axis=1)
    return [
        op
        for step, of_step in zip(steps, times.T, strict=True)
        for again in range(int(of_step.max()))
        for op in step(shape, rows[of_step > again], rng)
    ]


def policy_steps(magnitude: float) -> Sequence[BoundDraw]:
    strength = magnitude / 10
    enhanced = (1 - 0.9 * strength, 1 + 0.9 * strength)
    limits = (
        moves.Limits(degrees=30 * strength),
        moves.Limits(shear_x=17 * strength),
        moves.Limits(shear_y=17 * strength),
        moves.Limits(shift_x=0.45 * strength),
        moves.Limits(shift_y=0.45 * strength),
    )
    return (
        _nothing,
        histogram.auto_contrast,
        histogram.equalize,
        partial(colours.posterize, least_bits=8 - round(4 * strength)),
        partial(colours.solarize, least=1 - strength),
        *(partial(colours.changed, name=name, limits=enhanced) for name in colours.CHANGES),
        partial(filters.sharpen, amount=0.9 * strength),
        *(partial(moves.moved, limits=limit) for limit in limits),
    )


def _nothing(shape: Shape, rows: Rows, rng: np.random.Generator) -> list[Op]:
    return []

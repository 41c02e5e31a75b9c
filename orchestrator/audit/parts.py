"""What is audited by itself: each part of a target, each label of several, and the joint label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.data.targets import Joint, Target


@dataclass(frozen=True)
class Part:
    """One question with one answer a row. target: whose cells say it; label: its number among several."""

    name: str
    classes: tuple[str, ...]
    target: Target
    label: int | None = None

    @property
    def is_joint(self) -> bool:
        """Its parts are audited too, and they are what a fix corrects."""
        return isinstance(self.target, Joint)

    def encode(self, frame: pd.DataFrame) -> Labels:
        """(n,) in [0, C). Raises ManifestError."""
        labels = self.target.encode(frame)
        return labels if self.label is None else labels[:, self.label]


def parts_of(target: Target) -> tuple[Part, ...]:
    """A joint target's parts, then itself; a part for each of several labels; else the target alone."""
    if isinstance(target, Joint):
        inner = (part for item in target.parts for part in parts_of(item) if not part.is_joint)
        return (*inner, Part(target.name, target.classes, target))
    if target.multi_label:
        names = enumerate(target.classes)
        return tuple(Part(name, (f"not {name}", name), target, at) for at, name in names)
    return (Part(target.name, target.classes, target),)


def split_probabilities(target: Target, probabilities: Probabilities) -> dict[str, Probabilities]:
    """Name of each of `parts_of(target)` -> (n, C). probabilities (n, C) of the target, or (n, L)."""
    if target.multi_label:
        return {
            name: np.column_stack([1 - probabilities[:, at], probabilities[:, at]])
            for at, name in enumerate(target.classes)
        }
    found = {target.name: probabilities}
    return {**_marginals(target, probabilities), **found} if isinstance(target, Joint) else found


def _marginals(target: Joint, probabilities: Probabilities) -> dict[str, Probabilities]:
    found: dict[str, Probabilities] = {}
    cube = probabilities.reshape(len(probabilities), *target.sizes)
    for at, part in enumerate(target.parts):
        others = tuple(axis + 1 for axis in range(len(target.parts)) if axis != at)
        own = cube.sum(axis=others)
        found |= _marginals(part, own) if isinstance(part, Joint) else {part.name: own}
    return found

"""Several targets as one label in mixed radix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import SearchSpaceError
from orchestrator.data.targets.cells import Missing
from orchestrator.data.targets.contract import Target, TargetBase


@dataclass(frozen=True)
class Joint(TargetBase):
    """Several targets as one label in mixed radix, the first part most significant."""

    name: str
    parts: tuple[Target, ...]

    ordered = False
    multi_label = False
    missing = "error"  # each part has its own rule

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if len(names) < 2 or len(set(names)) != len(names):
            raise SearchSpaceError(
                f"joint target {self.name!r}: parts {names} must be two or more, each once"
            )
        several = [part.name for part in self.parts if part.multi_label]
        if several:
            raise SearchSpaceError(
                f"joint target {self.name!r}: {several[0]!r} is multi-label, it is no part of one label; "
                "search it in a space of its own"
            )

    @property
    def is_open(self) -> bool:
        return any(part.is_open for part in self.parts)

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(part.classes) for part in self.parts)

    @property
    def classes(self) -> tuple[str, ...]:
        if self.is_open:
            return ()
        labels: tuple[str, ...] = self.parts[0].classes
        for part in self.parts[1:]:
            labels = tuple(f"{left}/{right}" for left in labels for right in part.classes)
        return labels

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for part in self.parts for column in part.columns))

    def resolve(self, frame: pd.DataFrame) -> Joint:
        """With every part's classes. Raises ManifestError."""
        return replace(self, parts=tuple(part.resolve(frame) for part in self.parts))

    def encode(self, frame: pd.DataFrame) -> Labels:
        """Class numbers (n,) in [0, product of the parts' sizes). Raises ManifestError."""
        return mixed_radix([part.encode(frame) for part in self.parts], self.sizes)

    def excluded(self, frame: pd.DataFrame) -> Missing:
        """Where any part is."""
        found: Missing = np.any([part.excluded(frame) for part in self.parts], axis=0)
        return found

    def combine(self, probabilities: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """Product of the parts' probabilities. [(n, C_i), ...] -> (n, prod C_i) in the order of `classes`.

        Exact when the parts are independent given the image. Raises ValueError for shapes that don't fit.
        """
        shapes = [np.shape(part) for part in probabilities]
        if not shapes or shapes != [(shapes[0][0], size) for size in self.sizes]:
            raise ValueError(f"joint target {self.name!r} needs (n, C) for C in {self.sizes}, not {shapes}")
        product = np.asarray(probabilities[0], dtype=np.float64)
        for part in probabilities[1:]:
            product = (product[:, :, None] * np.asarray(part)[:, None, :]).reshape(len(product), -1)
        return product

    def to_json(self) -> dict[str, Any]:
        return {"kind": "joint", "name": self.name, "parts": [part.to_json() for part in self.parts]}


def joint(*parts: Target, name: str | None = None) -> Joint:
    """One label for all parts: `joint(mask, gender, age)` is mask*6 + gender*3 + age. SearchSpaceError."""
    return Joint(name or "_".join(part.name for part in parts), parts)


def mixed_radix(digits: Sequence[Labels], sizes: Sequence[int]) -> Labels:
    """One number per row out of several, the first most significant. digits: (n,) each in [0, size)."""
    number = np.zeros_like(digits[0])
    for digit, size in zip(digits, sizes, strict=True):
        number = number * size + digit
    return number

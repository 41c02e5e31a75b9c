"""What every target keeps: a function from a manifest's columns to labels that is also data (`to_json`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.task import Task


@runtime_checkable
class Target(Protocol):
    """Open until its classes are known: `resolve` reads them from the data, once, and a study keeps them."""

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it is read from."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """C class names, or L label names; empty while it is open."""
        ...

    @property
    def written(self) -> tuple[str, ...]:
        """Each class's value as the table wrote it, such as "1.0" for the class "1"."""
        ...

    @property
    def ordered(self) -> bool: ...

    @property
    def multi_label(self) -> bool: ...

    @property
    def missing(self) -> str:
        """What a row without a label means: "error", "drop" (it is left out) or "negative"."""
        ...

    @property
    def is_open(self) -> bool: ...

    @property
    def task(self) -> Task: ...

    def resolve(self, frame: pd.DataFrame) -> Target:
        """With its classes, read from the training rows (role train or extra); itself where they are known.

        Raises ManifestError.
        """
        ...

    def encode(self, frame: pd.DataFrame) -> Labels:
        """Class numbers (n,), or of a multi-label target 0 and 1, (n, L). Raises ManifestError."""
        ...

    def excluded(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """(n,): rows to leave out before `encode`: without a label, where the rule is "drop", or of a class
        that was left out because it is rare. Raises ManifestError."""
        ...

    def to_json(self) -> dict[str, Any]: ...


class TargetBase(ABC):
    """What follows from a target's classes; every target derives from it."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def ordered(self) -> bool: ...

    @property
    @abstractmethod
    def multi_label(self) -> bool: ...

    @property
    def written(self) -> tuple[str, ...]:
        return self.classes

    @property
    def task(self) -> Task:
        return Task(self.classes, multi_label=self.multi_label, ordered=self.ordered)

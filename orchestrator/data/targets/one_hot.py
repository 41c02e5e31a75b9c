"""One column of 0 and 1 for each class, exactly one of them 1 in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import ManifestError, SearchSpaceError
from orchestrator.core.text import shortened
from orchestrator.data.targets.cells import Missing, check_missing, place_of
from orchestrator.data.targets.flags import FlagColumns


@dataclass(frozen=True)
class OneHot(FlagColumns):
    """The class of a row is the column that holds 1."""

    KIND = "one_hot"
    multi_label = False

    def __post_init__(self) -> None:
        check_missing(self.name, self.missing, has_negative=False)
        if len(self.columns) < 2 or len(set(self.columns)) != len(self.columns):
            raise SearchSpaceError(
                f"target {self.name!r}: columns={list(self.columns)} must be two or more, each once"
            )

    def encode(self, frame: pd.DataFrame) -> Labels:
        """Class numbers (n,). Raises ManifestError for a row in which not exactly one column holds 1."""
        flags = self.flags(frame)
        self.refuse_missing(frame, flags)
        out = [self.columns.index(name) for name in self.changes.left_out]
        wrong = (flags.sum(axis=1) != 1) | (flags[:, out] == 1).any(axis=1)
        if wrong.any():
            held = [name for name, flag in zip(self.columns, flags[wrong][0], strict=True) if flag == 1]
            raise ManifestError(
                f"target {self.name!r}: {place_of(frame, wrong)}: {', '.join(held) or 'no column'} holds 1, "
                f"and a row has exactly one of {shortened(self.classes)}; correct these rows, or use "
                "multi_label for several at once"
            )
        labels: Labels = np.array(self.changes.numbers(self.columns))[flags.argmax(axis=1)].astype(np.int64)
        return labels

    def excluded(self, frame: pd.DataFrame) -> Missing:
        flags = self.flags(frame)
        out = [self.columns.index(name) for name in self.changes.left_out]
        rare: Missing = (flags[:, out] == 1).any(axis=1)
        return rare | (flags < 0).any(axis=1) if self.missing == "drop" else rare


def one_hot(columns: Sequence[str], name: str = "class", *, missing: str = "error") -> OneHot:
    """One class for each column, the one that holds 1 in a row: `one_hot(["healthy", "rust", "scab"])`.

    missing: "error", or "drop" to leave out rows with an empty cell. Raises SearchSpaceError.
    """
    return OneHot(name, _names("one_hot", columns), missing)


def _names(of: str, columns: Sequence[str]) -> tuple[str, ...]:
    if isinstance(columns, str):
        raise SearchSpaceError(
            f"{of}({columns!r}) needs a list of columns, such as {of}(['healthy', 'rust'])"
        )
    return tuple(str(column) for column in columns)

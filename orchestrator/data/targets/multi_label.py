"""Several labels in a row: one column of 0 and 1 for each, or one column that lists those that hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import ManifestError, SearchSpaceError
from orchestrator.core.text import shortened
from orchestrator.data.scalars import Scalar, to_text
from orchestrator.data.targets.cells import (
    Missing,
    cells_of,
    check_missing,
    in_order,
    missing_of,
    missing_to_json,
    number_of,
    refuse_missing,
    refuse_open,
    refuse_values,
    training_rows,
    value_key,
)
from orchestrator.data.targets.changes import NO_CHANGES, Changes
from orchestrator.data.targets.contract import TargetBase
from orchestrator.data.targets.flags import FlagColumns


@dataclass(frozen=True)
class LabelColumns(FlagColumns):
    """Each column of 0 and 1 is a label."""

    KIND = "multi_label"
    multi_label = True

    def __post_init__(self) -> None:
        check_missing(self.name, self.missing, has_negative=True)
        _check_labels(self.name, self.columns)

    def encode(self, frame: pd.DataFrame) -> Labels:
        """0 and 1, (n, L). Raises ManifestError naming the first cell that is neither."""
        flags = self.flags(frame)
        if self.missing == "negative":
            flags = np.maximum(flags, 0)
        self.refuse_missing(frame, flags)
        return _changed(flags, self.columns, self.changes)

    def excluded(self, frame: pd.DataFrame) -> Missing:
        if self.missing != "drop":
            return np.zeros(len(frame), np.bool_)
        return np.asarray((self.flags(frame) < 0).any(axis=1))


@dataclass(frozen=True)
class LabelSets(TargetBase):
    """One column lists the labels that hold: "rust scab". Open until `resolve` reads them from the data."""

    name: str
    column: str
    sep: str
    labels: tuple[str, ...] = ()
    missing: str = "error"
    changes: Changes = NO_CHANGES

    ordered = False
    multi_label = True

    def __post_init__(self) -> None:
        check_missing(self.name, self.missing, has_negative=True)
        if not self.sep:
            raise SearchSpaceError(f"target {self.name!r}: sep='' separates nothing; give a text such as ' '")
        if not self.is_open:
            _check_labels(self.name, self.labels)

    @property
    def is_open(self) -> bool:
        return not self.labels

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.changes.classes(self.labels)

    def resolve(self, frame: pd.DataFrame) -> LabelSets:
        """With the labels that occur in training rows, in the order of numbers or of text.

        Raises ManifestError for fewer than two.
        """
        if not self.is_open:
            return self
        cells = cells_of(frame, self.column, self.name)
        own = [cell for cell, is_train in zip(cells, training_rows(frame), strict=True) if is_train]
        found = {value_key(label) or "": label for cell in reversed(own) for label in self._split(cell)}
        if len(found) < 2:
            raise ManifestError(
                f"target {self.name!r}: column {self.column!r}, split at {self.sep!r}, has {len(found)} "
                f"labels ({', '.join(found.values()) or 'none'}); two or more are needed, so look at sep"
            )
        return replace(self, labels=tuple(found[key] for key in in_order(found)))

    def _split(self, cell: Scalar) -> list[str]:
        text = to_text(cell) or ""
        parts = text.split() if self.sep.isspace() else [part.strip() for part in text.split(self.sep)]
        return [part for part in parts if part]

    def encode(self, frame: pd.DataFrame) -> Labels:
        """0 and 1, (n, L). Raises ManifestError naming the first row with a label that is none of them."""
        if self.is_open:
            refuse_open(self.name)
        cells = cells_of(frame, self.column, self.name)
        if self.missing != "negative":
            refuse_missing(frame, self.column, missing_of(cells))
        numbers = {value_key(label) or "": index for index, label in enumerate(self.labels)}
        flags, unknown = np.zeros((len(cells), len(self.labels)), np.int64), np.zeros(len(cells), np.bool_)
        for row, cell in enumerate(cells):
            held = [number_of(value_key(label), numbers) for label in self._split(cell)]
            unknown[row] = -1 in held
            flags[row, held] = 1
        rule = f"must list labels of {shortened(self.labels, 20)}, separated by {self.sep!r}"
        refuse_values(frame, self.column, cells, unknown, rule)
        return _changed(flags, self.labels, self.changes)

    def excluded(self, frame: pd.DataFrame) -> Missing:
        return missing_of(cells_of(frame, self.column, self.name)) & (self.missing == "drop")

    def to_json(self) -> dict[str, Any]:
        record = {
            "kind": "label_sets",
            "name": self.name,
            "column": self.column,
            "sep": self.sep,
            "classes": None if self.is_open else list(self.labels),
        }
        return {**record, **missing_to_json(self.missing), **self.changes.to_json()}


def multi_label(
    columns: str | Sequence[str],
    *,
    sep: str | None = None,
    classes: Sequence[object] | None = None,
    name: str | None = None,
    missing: str = "error",
) -> LabelColumns | LabelSets:
    """Any number of labels in a row: `multi_label(["nodule", "mass"])`, columns of 0 and 1, or
    `multi_label("labels", sep=" ")`, one column that lists those that hold.

    classes: of the second form; left out, all labels of the training rows. missing: "error", "drop" to leave
    out rows with an empty cell, or "negative": an empty cell says that the label does not hold, or that none
    does. Raises SearchSpaceError.
    """
    if isinstance(columns, str):
        if classes is not None and len(list(classes)) == 0:
            raise SearchSpaceError(f"multi_label({columns!r}): classes=[] is empty; leave it out")
        labels = tuple(str(label) for label in classes or ())
        return LabelSets(name or columns, columns, _separator(columns, sep), labels, missing)
    if sep is not None or classes is not None:
        raise SearchSpaceError(
            f"multi_label({list(columns)}): sep and classes go with one column of texts; these columns "
            "are the labels"
        )
    return LabelColumns(name or "labels", tuple(str(column) for column in columns), missing)


def _changed(flags: Labels, labels: Sequence[str], changes: Changes) -> Labels:
    """(n, labels) -> (n, L), of the labels that remain; a merged one holds where one of its own does."""
    if changes == NO_CHANGES:
        return flags
    numbers = np.array(changes.numbers(labels))
    columns = [flags[:, numbers == at].max(axis=1) for at in range(len(changes.classes(labels)))]
    return np.stack(columns, axis=1)


def _check_labels(target: str, labels: Sequence[str]) -> None:
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise SearchSpaceError(f"target {target!r}: labels {list(labels)} must be two or more, each once")


def _separator(column: str, sep: str | None) -> str:
    if sep is None:
        raise SearchSpaceError(
            f"multi_label({column!r}) needs sep, the text between labels: multi_label({column!r}, sep=' ')"
        )
    return sep

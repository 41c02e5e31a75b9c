"""A column whose values are the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    is_number,
    missing_of,
    missing_to_json,
    number_of,
    refuse_missing,
    refuse_open,
    refuse_values,
    spelled,
    training_rows,
    value_key,
)
from orchestrator.data.targets.changes import NO_CHANGES, Changes
from orchestrator.data.targets.contract import TargetBase

_MANY = 20  # rows; of fewer, each may well be of a class of its own


@dataclass(frozen=True)
class Categorical(TargetBase):
    """A column whose values are the classes; 1, 1.0 and "1" are one class, and so are True and 1.

    Open (no classes) until `resolve` reads them from the data.
    """

    name: str
    column: str
    values: tuple[str, ...] = ()  # classes, before `changes`
    ordered: bool = False
    missing: str = "error"
    positive: str | None = None  # of two classes, the one that is looked for: it is the second
    changes: Changes = NO_CHANGES
    spelling: tuple[str, ...] = field(default=(), compare=False)  # values as in the table, where that differs

    multi_label = False

    def __post_init__(self) -> None:
        check_missing(self.name, self.missing, has_negative=self.positive is not None)
        if not self.is_open:
            _check_classes(self.name, self.values, self.values)

    @property
    def is_open(self) -> bool:
        return not self.values

    @property
    def classes(self) -> tuple[str, ...]:
        return self.changes.classes(self.values)

    @property
    def written(self) -> tuple[str, ...]:
        texts = dict(zip(self.values, self.spelling, strict=False))
        return tuple(texts.get(name, name) for name in self.classes)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def resolve(self, frame: pd.DataFrame) -> Categorical:
        """With its classes, of the training rows: numbers rise as numbers, anything else as text.

        Raises ManifestError for fewer than two, for classes whose order nobody said, and, of a binary target,
        for more than two.
        """
        cells = cells_of(frame, self.column, self.name)
        if not self.is_open:
            return self._with_spelling(spelled(frame[self.column], self.values))
        own = [cell for cell, is_train in zip(cells, training_rows(frame), strict=True) if is_train]
        keys = in_order({key for key in map(value_key, own) if key is not None})
        if self.positive is not None:
            keys = self._negative_and_positive(keys)
        self._check_found(keys, sum(cell is not None for cell in own))
        return replace(self, values=spelled(frame[self.column], keys))

    def _with_spelling(self, found: tuple[str, ...]) -> Categorical:
        return self if found == self.values else replace(self, spelling=found)

    def _negative_and_positive(self, keys: list[str]) -> list[str]:
        at = number_of(value_key(self.positive), {key: number for number, key in enumerate(keys)})
        if at < 0:
            raise ManifestError(
                f"target {self.name!r}: column {self.column!r} has no value {self.positive!r}, the positive "
                f"class; it has {shortened(keys) or 'none'}"
            )
        others = [key for key in keys if key != keys[at]]
        if len(others) > 1:
            raise ManifestError(
                f"target {self.name!r}: besides {self.positive!r} column {self.column!r} has {len(others)} "
                f"values ({shortened(others)}), and a binary target has one; use categorical({self.column!r})"
            )
        if not others and self.missing == "negative":
            others = [f"not {keys[at]}"]
        return [*others, keys[at]]

    def _check_found(self, keys: list[str], rows: int) -> None:
        if len(keys) < 2:
            raise ManifestError(
                f"target {self.name!r}: column {self.column!r} has {len(keys)} values in the training rows"
                f"{f' ({keys[0]})' if keys else ''}; a class needs another to be told from"
            )
        if len(keys) == rows >= _MANY:
            raise ManifestError(
                f"target {self.name!r}: column {self.column!r} has another value in each of its {rows} rows, "
                "so it names rows and no classes; name another column, or cut a number into bins: "
                f"age_bins([...], {self.column!r})"
            )
        if self.ordered and not all(map(is_number, keys)):
            raise ManifestError(
                f"target {self.name!r}: ordered=True, but the order of {shortened(keys)} is not known; write "
                f"the classes in their order: categorical({self.column!r}, [...], ordered=True)"
            )

    def encode(self, frame: pd.DataFrame) -> Labels:
        """Class numbers (n,). Raises ManifestError naming the first value that is no class."""
        if self.is_open:
            refuse_open(self.name)
        cells = cells_of(frame, self.column, self.name)
        labels, missing = self._labels(cells), missing_of(cells)
        if self.missing == "negative":
            labels[missing] = 0
        else:
            refuse_missing(frame, self.column, missing)
        refuse_values(frame, self.column, cells, labels < 0, f"must be one of {_listed(self.classes)}")
        return labels

    def excluded(self, frame: pd.DataFrame) -> Missing:
        cells = cells_of(frame, self.column, self.name)
        out = {value_key(value) or "": at for at, value in enumerate(self.changes.left_out)}
        rare = np.array([number_of(value_key(cell), out) >= 0 for cell in cells], np.bool_)
        return rare | missing_of(cells) if self.missing == "drop" else rare

    def _labels(self, cells: Sequence[Scalar]) -> Labels:
        """-1 for what is no class."""
        numbers = dict(zip(self.values, self.changes.numbers(self.values), strict=True))
        # What rare classes are merged into has a name that may be no value.
        numbers |= {name: number for number, name in enumerate(self.classes)}
        known = {value_key(value) or "": number for value, number in numbers.items()}
        # As it is written first: in version 0.2 " a" and "a" could be two classes.
        found = (numbers.get(to_text(cell) or "", number_of(value_key(cell), known)) for cell in cells)
        return np.fromiter(found, np.int64, len(cells))

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {
            "kind": "categorical",
            "name": self.name,
            "column": self.column,
            "classes": None if self.is_open else list(self.values),
        }
        # Only what is used: targets without it keep the fingerprints they had in version 0.2.
        more = {
            "ordered": self.ordered,
            **missing_to_json(self.missing),
            "positive": self.positive,
            "spelling": list(self.spelling),
        }
        return {**record, **{key: value for key, value in more.items() if value}, **self.changes.to_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Categorical:
        return cls(
            record["name"],
            record["column"],
            tuple(record["classes"] or ()),
            ordered=record.get("ordered", False),
            missing=record.get("missing", "error"),
            positive=record.get("positive"),
            changes=Changes.from_json(record),
            spelling=tuple(record.get("spelling", ())),
        )


def categorical(
    column: str,
    classes: Sequence[object] | None = None,
    name: str | None = None,
    *,
    ordered: bool = False,
    missing: str = "error",
) -> Categorical:
    """The classes are the values of `column`: those given, in this order, or all that the training rows have.

    ordered: whether their order means something, as that of grades does. missing: "error", or "drop" to leave
    out rows without a label. Raises SearchSpaceError.
    """
    if classes is None:
        return Categorical(name or column, column, ordered=ordered, missing=missing)
    if isinstance(classes, str) or not classes:
        raise SearchSpaceError(
            f"target {name or column!r}: classes={classes!r} must be two or more, each once, in a list"
        )
    values = tuple(str(label) for label in classes)
    _check_classes(name or column, values, [value_key(value) for value in values])
    return Categorical(name or column, column, values, ordered=ordered, missing=missing)


def binary(
    column: str, positive: object, name: str | None = None, *, negative: object = None, missing: str = "error"
) -> Categorical:
    """Two classes, negative and positive: the positive is the one that metrics such as recall look for.

    negative: left out, it is the column's other value. missing: "error", "drop", or "negative" to count rows
    without a label as negative. Raises SearchSpaceError.
    """
    classes = () if negative is None else (str(negative), str(positive))
    return Categorical(name or column, column, classes, missing=missing, positive=str(positive))


def _check_classes(target: str, classes: Sequence[str], keys: Sequence[str | None]) -> None:
    """keys: of each class what two spellings of it share. Raises SearchSpaceError."""
    if len(keys) < 2 or len(set(keys)) != len(keys) or None in keys:
        raise SearchSpaceError(f"target {target!r}: classes={list(classes)} must be two or more, each once")


def _listed(classes: Sequence[str]) -> str:
    return shortened(classes, len(classes) if len(classes) <= 20 else 3)

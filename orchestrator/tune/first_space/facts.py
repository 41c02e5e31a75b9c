"""What a first space is made from: columns of the training rows, files beside them, what was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from orchestrator.data.targets import Target
from orchestrator.data.targets.cells import value_key

FLAGS = frozenset(("0", "1", "True", "False", "true", "false"))
ON = frozenset(("1", "True", "true"))


@dataclass(frozen=True)
class Column:
    """One column as text, so that 1, 1.0 and "1" are one value; a missing cell is None."""

    name: str
    cells: tuple[str | None, ...]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows of each value, in the order of `sort_key`."""
        found = Counter(cell for cell in self.cells if cell is not None)
        return {value: found[value] for value in sorted(found, key=sort_key)}

    @property
    def present(self) -> int:
        return sum(self.counts.values())

    @property
    def missing(self) -> int:
        return len(self.cells) - self.present

    @cached_property
    def is_flag(self) -> bool:
        """Whether it says yes or no in 0 and 1."""
        return bool(self.counts) and set(self.counts) <= FLAGS

    @property
    def is_sign(self) -> bool:
        """Whether it says yes or no in -1 and 1 in every row."""
        return set(self.counts) == {"-1", "1"} and not self.missing

    @property
    def varies(self) -> bool:
        return len(self.counts) > 1 or self.missing > 0

    @cached_property
    def numbers(self) -> tuple[float, ...] | None:
        """The distinct values as numbers, rising; None where one is none."""
        try:
            return tuple(sorted(float(value) for value in self.counts))
        except ValueError:
            return None


def sort_key(value: str) -> tuple[int, float, str]:
    """Numbers by size, before words by spelling."""
    try:
        return 0, float(value), value
    except ValueError:
        return 1, 0.0, value


@dataclass(frozen=True)
class Template:
    """A sample submission: its columns as text, the first of which holds the ids."""

    path: str
    columns: tuple[Column, ...]

    @property
    def answers(self) -> tuple[Column, ...]:
        return self.columns[1:]


@dataclass(frozen=True)
class Facts:
    """Everything that a proposal depends on."""

    source: str  # what --data named
    columns: tuple[Column, ...]  # of the rows that are trained on; path, group and role are not among them
    paths: tuple[str, ...] = ()  # of the images, below their root
    group_column: str | None = None  # what the data themselves are grouped by, if anything
    sizes: tuple[tuple[int, int], ...] = ()  # (height, width) in pixels of some of the images
    template: Template | None = None
    # file -> what it says: a class as in the table and its name, either way round
    class_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    layout_target: Target | None = None  # what the layout itself says is predicted

    @property
    def rows(self) -> int:
        return len(self.columns[0].cells) if self.columns else 0

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def class_names(self, classes: Iterable[str]) -> tuple[str, dict[str, str]] | None:
        """The file that names all of these classes, and the name of each; None where none does."""
        wanted = list(classes)
        for file, record in self.class_files.items():
            for names in (record, {name: key for key, name in record.items()}):
                if set(wanted) <= set(names):
                    return file, {value: names[value] for value in wanted}
        return None


@dataclass(frozen=True)
class Asked:
    """What the user said outright; None leaves it to the data."""

    target: tuple[str, ...] | None = None
    metric: str | None = None


def columns_from(frame: pd.DataFrame, without: Sequence[str] = ()) -> tuple[Column, ...]:
    """The columns of a table as text."""
    return tuple(
        Column(str(name), tuple(map(value_key, frame[name])))
        for name in frame.columns
        if str(name) not in without
    )

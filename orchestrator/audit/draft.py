"""A draft of label fixes: a line for each suspected cell, which counts once a person has confirmed it."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator.audit.suspects import Suspect
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import InputError, StorageError
from orchestrator.data.label_fixes import CONFIRMED, HEADER, Fix
from orchestrator.data.manifest import GIVEN_GROUP
from orchestrator.data.scalars import to_scalar, to_scalars, to_text
from orchestrator.data.targets import Categorical, LabelColumns, OneHot

_GROUP = "group:"
_FLAGS = (("0", "False", "-1"), ("1", "True"))


@dataclass(frozen=True)
class _Cell:
    """What a suspect would change in one column: its new text, None where only a person can say it."""

    column: str
    new: str | None


def draft_fixes(frame: pd.DataFrame, suspects: Iterable[Suspect], decided: Sequence[Fix] = ()) -> list[Fix]:
    """The fixes that a person already decided on, as they were, then a line for each cell suspected anew.

    frame: the audited rows. A whole group with one value in a column is one line. A cell that a decision is
    about is left as it was decided.
    """
    names = _Names.of(frame)
    done = {(row, fix.column) for fix in decided for row in names.rows(fix.target)}
    found: dict[tuple[str, str], Fix] = {}
    spelling = _Spelling(frame)
    for suspect in suspects:
        for cell in _cells(spelling, suspect):
            rows = [row for row in suspect.rows if (row, cell.column) not in done]
            done |= {(row, cell.column) for row in rows}
            for target, old in _targets(frame, names, rows, cell.column):
                if old != cell.new:
                    found[target, cell.column] = Fix(
                        0, target, cell.column, old, cell.new, reason(suspect), ""
                    )
    return [*decided, *found.values()]


def reason(suspect: Suspect) -> str:
    """In words, for the person who decides."""
    given, likely = suspect.part.classes[suspect.given], suspect.part.classes[suspect.likely]
    said = f"models give {likely} {suspect.p_likely:.2f} and {given} {suspect.p_given:.2f}"
    if suspect.is_copy:
        return f"identical images have different labels; {said}"
    if suspect.near:
        return f"a near duplicate has another label; {said}"
    if suspect.beside:
        return f"rows that should share its label have another; {said}"
    return said


def write_draft(path: Path, fixes: Sequence[Fix]) -> None:
    """As CSV. Raises InputError where there is something at `path`, StorageError."""
    refuse_existing(path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*HEADER, CONFIRMED])
    for fix in fixes:
        cells = (fix.target, fix.column, fix.old, to_text(fix.new), fix.reason, fix.confirmed)
        writer.writerow(["" if cell is None else cell for cell in cells])
    try:
        with atomic_write(path) as file:
            file.write(text.getvalue().encode())
    except OSError as error:
        raise StorageError(f"--out {path} cannot be written: {error.strerror}") from error


def refuse_existing(path: Path) -> None:
    """Raises InputError: a draft that a person worked on is never replaced."""
    if path.exists():
        raise InputError(f"--out {path} exists; name another file (nothing was changed)")


@dataclass(frozen=True)
class _Names:
    """By what a fix may name rows: paths, and groups as the data call them, before copies joined some.

    Fixes are applied to the data as they are.
    """

    paths: Sequence[str]
    groups: Sequence[str]
    members: Mapping[str, Sequence[int]]  # group -> its rows

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Names:
        groups = frame[GIVEN_GROUP if GIVEN_GROUP in frame else "group"].astype(str).tolist()
        members: defaultdict[str, list[int]] = defaultdict(list)
        for row, group in enumerate(groups):
            members[group].append(row)
        return cls(frame["path"].astype(str).tolist(), groups, members)

    def rows(self, target: str) -> Sequence[int]:
        """That a fix's target stands for."""
        if target.startswith(_GROUP) and target.removeprefix(_GROUP) in self.members:
            return self.members[target.removeprefix(_GROUP)]
        return [row for row, path in enumerate(self.paths) if path == target]


def _targets(
    frame: pd.DataFrame, names: _Names, rows: Sequence[int], column: str
) -> list[tuple[str, str | None]]:
    """(target, old value): a group where the rows hold all of it and it says one thing, else each path."""
    cells = {row: to_text(to_scalar(frame[column].iloc[row])) or None for row in rows}
    found: dict[str, str | None] = {}
    for row, cell in cells.items():
        group = names.members[names.groups[row]]
        whole = len(group) > 1 and all(other in cells and cells[other] == cell for other in group)
        found[_GROUP + names.groups[row] if whole else names.paths[row]] = cell
    return list(found.items())


# ---- the new value ----


def _cells(spelling: _Spelling, suspect: Suspect) -> list[_Cell]:
    """What would make the likely class of a suspect."""
    target, likely = suspect.part.target, suspect.likely
    if isinstance(target, Categorical):
        return [_Cell(target.column, spelling.value(target, likely))]
    if isinstance(target, OneHot):
        changes = {target.classes[suspect.given]: 0, target.classes[likely]: 1}
    elif isinstance(target, LabelColumns):
        changes = {target.classes[suspect.part.label or 0]: likely}
    else:
        # Which number of a bin, or which list of labels, no model says.
        return [_Cell(target.columns[0], None)]
    if not all(column in spelling.frame for column in changes):
        return [_Cell(target.columns[0], None)]  # classes that several columns were merged into
    return [_Cell(column, spelling.flag(column, value)) for column, value in changes.items()]


class _Spelling:
    """How a table writes its classes; each column is looked at once."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._values: dict[str, dict[int, Counter[str]]] = {}
        self._texts: dict[str, set[str | None]] = {}

    def value(self, target: Categorical, label: int) -> str | None:
        """As most rows of the class write it; None where several values are merged into it."""
        if target.name not in self._values:
            counts: dict[int, Counter[str]] = defaultdict(Counter)
            cells = map(to_text, to_scalars(self.frame[target.column]))
            for cell, given in zip(cells, target.encode(self.frame).tolist(), strict=True):
                if cell is not None:
                    counts[given][cell] += 1
            self._values[target.name] = counts
        texts = self._values[target.name].get(label, Counter())
        keys = {text.strip().removesuffix(".0") for text in texts}
        return texts.most_common(1)[0][0] if len(keys) == 1 else None

    def flag(self, column: str, value: int) -> str:
        """1 or 0, or as the column writes it (True, -1)."""
        if column not in self._texts:
            self._texts[column] = set(map(to_text, to_scalars(self.frame[column])))
        known = [text for text in _FLAGS[value] if text in self._texts[column]]
        return next(iter(known), str(value))

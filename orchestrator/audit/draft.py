"""A draft of label fixes: a line for each suspected cell, which counts once a person has confirmed it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator.audit.suspects import Suspect
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import InputError, StorageError
from orchestrator.data.label_fixes import CONFIRMED, HEADER, Fix
from orchestrator.data.scalars import to_scalar, to_scalars, to_text
from orchestrator.data.targets import Binned, Categorical, LabelColumns, LabelSets, OneHot

_GROUP = "group:"


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
    done = {(row, fix.column) for fix in decided for row in _rows_of(frame, fix)}
    found: dict[tuple[str, str], Fix] = {}
    sizes = Counter(frame["group"])
    for suspect in suspects:
        for cell in _cells(frame, suspect):
            rows = [row for row in suspect.rows if (row, cell.column) not in done]
            done |= {(row, cell.column) for row in rows}
            for target, old in _targets(frame, rows, cell.column, sizes):
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
        return f"copies of one image have different labels; {said}"
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


def _rows_of(frame: pd.DataFrame, fix: Fix) -> list[int]:
    if fix.target.startswith(_GROUP):
        own = (_GROUP + frame["group"].astype(str)) == fix.target
        if own.any():
            return [int(row) for row in own.to_numpy().nonzero()[0]]
    return [int(row) for row in (frame["path"].astype(str) == fix.target).to_numpy().nonzero()[0]]


def _targets(
    frame: pd.DataFrame, rows: Sequence[int], column: str, sizes: Counter[str]
) -> list[tuple[str, str | None]]:
    """(target, old value): the group where the rows are all of it and say one thing, else each path."""
    cells = [to_text(to_scalar(frame[column].iloc[row])) or None for row in rows]
    groups = {str(frame["group"].iloc[row]) for row in rows}
    if (
        len(rows) > 1
        and len(groups) == 1
        and len(set(cells)) == 1
        and sizes[frame["group"].iloc[rows[0]]] == len(rows)
    ):
        return [(_GROUP + groups.pop(), cells[0])]
    return [(str(frame["path"].iloc[row]), cell) for row, cell in zip(rows, cells, strict=True)]


# ---- the new value ----


def _cells(frame: pd.DataFrame, suspect: Suspect) -> list[_Cell]:
    """What would make the likely class of a suspect."""
    target, likely = suspect.part.target, suspect.likely
    if isinstance(target, Categorical):
        return [_Cell(target.column, _value(frame, target, likely))]
    if isinstance(target, Binned):
        return [_Cell(target.column, None)]  # which number of the bin, no model says
    if isinstance(target, OneHot):
        return _one_hot_cells(frame, target, suspect)
    if isinstance(target, LabelColumns):
        column = target.classes[suspect.part.label or 0]
        return [_Cell(column, _flag(frame, column, likely))] if column in frame else []
    if isinstance(target, LabelSets):
        return [_Cell(target.column, None)]
    return [_Cell(column, None) for column in target.columns[:1]]


def _value(frame: pd.DataFrame, target: Categorical, likely: int) -> str | None:
    """As most rows of the class write it; None where several values are merged into it."""
    labels = target.encode(frame)
    texts = Counter(
        to_text(cell)
        for cell, label in zip(to_scalars(frame[target.column]), labels, strict=True)
        if label == likely
    )
    texts.pop(None, None)
    keys = {str(text).strip().removesuffix(".0") for text in texts}
    return texts.most_common(1)[0][0] if len(keys) == 1 else None


def _flag(frame: pd.DataFrame, column: str, value: int) -> str | None:
    """1 or 0, or as the column writes it (True, -1)."""
    texts = Counter(to_text(cell) for cell in to_scalars(frame[column]))
    yes = [text for text in ("1", "True") if text in texts]
    no = [text for text in ("0", "False", "-1") if text in texts]
    return next(iter(yes or ["1"])) if value else next(iter(no or ["0"]))


def _one_hot_cells(frame: pd.DataFrame, target: OneHot, suspect: Suspect) -> list[_Cell]:
    """The given class's column to 0 and the likely one's to 1; none where classes were merged."""
    given, likely = target.classes[suspect.given], target.classes[suspect.likely]
    if given not in frame or likely not in frame:
        return []
    return [_Cell(given, _flag(frame, given, 0)), _Cell(likely, _flag(frame, likely, 1))]

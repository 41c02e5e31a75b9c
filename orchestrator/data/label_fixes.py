"""Corrections of a manifest's labels, from a CSV that says of each what was wrong and why.

    path,column,old,new,reason
    images/000123_male_Asian_25/normal.jpg,mask,none,worn,the two images are swapped
    group:004418,gender,male,female,seen in all seven images

A path names one row as the manifest writes it, `group:ID` all rows of a group. `old` must be what the
manifest holds, so that fixes cannot be applied to other data, or twice. An empty cell is a missing value.

A draft that a program wrote (`python -m orchestrator.audit --out`) has a column `confirmed` too: a line
counts once a person has written yes there. One with no, or nothing, changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import ManifestError, StorageError
from orchestrator.core.file_digest import digest_of
from orchestrator.core.regular_files import read_file
from orchestrator.core.text import composed
from orchestrator.data.importers.contract import require
from orchestrator.data.manifest import FOLD_PLAN_DIGEST, ONLY_FOLD, Manifest, group_columns
from orchestrator.data.scalars import Scalar, to_scalars, to_text
from orchestrator.data.table_files import csv_rows, normalise_column_types, read_csv

HEADER = ("path", "column", "old", "new", "reason")
NOT_LABELS = ("path", "group", "role", ONLY_FOLD, FOLD_PLAN_DIGEST)
COPY = "label_fixes.csv"
CONFIRMED = "confirmed"
YES, NO = "yes", "no"
_GROUP = "group:"


@dataclass(frozen=True)
class Fix:
    """One line of the file."""

    line: int  # at which it ends, from 1
    target: str  # a path, or group:ID
    column: str  # of the manifest
    old: str | None  # what the cell must hold; None: it must be missing
    new: Scalar  # what it will hold
    reason: str  # for whoever reads the study later
    confirmed: str = YES  # NO: a person looked and keeps the label; "": nobody has looked yet


@dataclass(frozen=True)
class FixReport:
    """What was changed."""

    file: str  # its path
    data: bytes  # its content
    fixes: tuple[Fix, ...]  # that were applied
    rows: int  # that were changed
    groups: int  # with a row that was changed
    columns: dict[str, int]  # name -> rows changed in it
    kept: int = 0  # lines of a draft that say no
    unconfirmed: int = 0  # lines of a draft that say nothing

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self.columns.items())
        said = f"label fixes: {self.rows} rows in {self.groups} groups; {counts}"
        if self.kept or self.unconfirmed:
            left = f"{self.kept} that say {NO} and {self.unconfirmed} that nobody has confirmed"
            said += f"; not applied: {left}"
        return said

    def to_json(self) -> dict[str, Any]:
        """For a study's header."""
        digest = digest_of(self.data)
        return {"file": self.file, "sha256": digest, "fixes": len(self.fixes), "rows": self.rows}

    def write(self, folder: Path) -> None:
        """The file as it was applied, as label_fixes.csv. Raises StorageError."""
        try:
            with atomic_write(folder / COPY) as file:
                file.write(self.data)
        except OSError as error:
            raise StorageError(f"cannot write {folder / COPY}: {error.strerror}; free space") from error


def apply_fixes(
    manifest: Manifest, fixes: Path, fold_column: str | None = None
) -> tuple[Manifest, FixReport]:
    """The corrected manifest, which has a fingerprint of its own, and what was changed.

    fold_column: the space's. Raises ManifestError for the first fix that names no row or column, or a column
    that says a row's group or fold, finds another value than its `old`, changes nothing, gives no reason, or
    repeats another one.
    """
    written = read_fixes(fixes)
    listed = tuple(fix for fix in written if fix.confirmed == YES)
    if not listed:
        raise ManifestError(
            f"{fixes}: none of its {len(written)} lines is confirmed; look at each, write {YES} in its "
            f"column {CONFIRMED} where the fix is right, {NO} where the label is, or leave --label-fixes out"
        )
    changes = _changes(listed, manifest, fixes, fold_column)
    frame = manifest.frame.copy()
    for column, of_row in changes.items():
        frame[column] = _fixed(frame, column, of_row, fixes)
    touched = sorted({row for of_row in changes.values() for row in of_row})
    groups = frame["group"].iloc[touched].nunique()
    counts = {column: len(of_row) for column, of_row in changes.items()}
    kept = sum(fix.confirmed == NO for fix in written)
    unconfirmed = len(written) - len(listed) - kept
    report = FixReport(str(fixes), _data(fixes), listed, len(touched), groups, counts, kept, unconfirmed)
    return replace(manifest, frame=frame), report


def _changes(
    listed: Sequence[Fix], manifest: Manifest, fixes: Path, fold_column: str | None
) -> dict[str, dict[int, Fix]]:
    """column -> row -> the one fix of that cell."""
    fixed_by = _structural(manifest.frame, fold_column)
    rows_of = _row_index(manifest.frame)
    changes: defaultdict[str, dict[int, Fix]] = defaultdict(dict)
    for fix in listed:
        where = f"{fixes}:{fix.line}"
        _refuse_column(fix, manifest.frame, fixed_by, where)
        if composed(fix.target) not in rows_of:
            raise ManifestError(
                f"{where}: path {fix.target!r} is not in manifest {manifest.name!r}; write it as "
                f"the manifest does, such as {manifest.frame['path'].iloc[0]}, or "
                f"{_GROUP}ID for all rows of a group"
            )
        for row in rows_of[composed(fix.target)]:
            # Of two fixes of one cell (of a group, and of one of its rows) neither is known to be meant.
            earlier = changes[fix.column].setdefault(row, fix)
            if earlier is not fix:
                raise ManifestError(
                    f"{where}: column {fix.column!r} of {manifest.frame['path'].iloc[row]} is fixed in line "
                    f"{earlier.line} too; keep one of them"
                )
    return changes


def read_fixes(path: Path) -> tuple[Fix, ...]:
    """Every line of the file, confirmed or not. Raises ManifestError for the first that is no fix."""
    table = read_csv(path)
    require(table, HEADER, path)
    if table.empty:
        raise ManifestError(f"{path} has a header and no fix; add one or leave --label-fixes out")
    lines = [line for line, _ in csv_rows(path)][1:]
    cells = zip(*(to_scalars(table[name]) for name in HEADER), strict=True)
    fixes = [_fix(path, line, *row) for line, row in zip(lines, cells, strict=True)]
    if CONFIRMED not in table:
        return tuple(fixes)
    said = to_scalars(table[CONFIRMED])
    return tuple(_answered(path, fix, cell) for fix, cell in zip(fixes, said, strict=True))


def _answered(path: Path, fix: Fix, cell: Scalar) -> Fix:
    """A fix with what a person said of it."""
    said = "" if cell is None else str(cell).strip().lower()
    if said not in (YES, NO, ""):
        raise ManifestError(
            f"{path}:{fix.line}: {CONFIRMED} is {cell!r}; write {YES} to apply the fix, {NO} to keep the "
            "label, or nothing"
        )
    if said == YES and fix.new is None:
        raise ManifestError(
            f"{path}:{fix.line}: {fix.target} is confirmed, but new is empty; write the right value of "
            f"column {fix.column!r} there, or {NO} in {CONFIRMED}"
        )
    return replace(fix, confirmed=said)


def _fix(
    path: Path, line: int, target: Scalar, column: Scalar, old: Scalar, new: Scalar, reason: Scalar
) -> Fix:
    for name, cell in (("path", target), ("column", column), ("reason", reason)):
        if cell is None:
            raise ManifestError(f"{path}:{line}: {name} is empty; every fix names its {', '.join(HEADER)}")
    if to_text(old) == to_text(new):
        raise ManifestError(f"{path}:{line}: old and new are both {_shown(old)}; take the line out")
    return Fix(line, str(target), str(column), to_text(old), new, " ".join(str(reason).split()))


def _data(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from None


def _row_index(frame: pd.DataFrame) -> dict[str, list[int]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, (path, group) in enumerate(zip(frame["path"], frame["group"], strict=True)):
        rows[composed(str(path))].append(row)
        rows[composed(f"{_GROUP}{group}")].append(row)
    return dict(rows)


def _structural(frame: pd.DataFrame, fold_column: str | None) -> dict[str, str]:
    """Column -> what it says, for those that are no labels."""
    said = dict.fromkeys(NOT_LABELS, "says what a row is, not what it shows")
    said.update(dict.fromkeys(group_columns(frame), "is what the groups were made from"))
    if fold_column is not None:
        said[fold_column] = "says in which fold a row is validated"
    return said


def _refuse_column(fix: Fix, frame: pd.DataFrame, structural: dict[str, str], where: str) -> None:
    if fix.column in structural:
        raise ManifestError(
            f"{where}: column {fix.column!r} {structural[fix.column]}; correct the manifest itself"
        )
    if fix.column not in frame:
        labels = [str(name) for name in frame.columns if name not in structural]
        raise ManifestError(
            f"{where}: column {fix.column!r} of path {fix.target!r} is not in the manifest; it has "
            f"{', '.join(labels)}"
        )


def _fixed(frame: pd.DataFrame, column: str, of_row: dict[int, Fix], file: Path) -> np.ndarray[Any, Any]:
    cells = to_scalars(frame[column])
    for row, fix in of_row.items():
        if not _same(cells[row], fix.old):
            where = "" if fix.target == frame["path"].iloc[row] else f" ({frame['path'].iloc[row]})"
            raise ManifestError(
                f"{file}:{fix.line}: column {column!r} of {fix.target}{where} is {_shown(cells[row])}, not "
                f"the old {_shown(fix.old)}; correct the line, or take it out if the data are fixed already"
            )
        cells[row] = fix.new
    return normalise_column_types({column: cells})[column].to_numpy()


def _same(cell: Scalar, old: str | None) -> bool:
    """As text; where the manifest has a number, as numbers: "3.0" is 3."""
    if cell is None or old is None or composed(str(to_text(cell))) == composed(old):
        return (cell is None) == (old is None)
    if isinstance(cell, bool | str):
        return False
    try:
        return float(old) == cell
    except ValueError:
        return False


def _shown(cell: Scalar) -> str:
    return "missing" if cell is None else repr(to_text(cell))

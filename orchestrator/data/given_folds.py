"""Folds that a column of the table says: numbers or names of folds, or the parts train and val.

Rows that the column holds out (-1, or a name such as test) have role test before folds are asked for. Rows
that it calls train are in every training part and in no validation part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import FoldPlanError, ManifestError
from orchestrator.core.text import counted, shortened
from orchestrator.data.manifest import Manifest, role_conflict
from orchestrator.data.scalars import Scalar, to_scalars
from orchestrator.data.splits import split_of
from orchestrator.data.targets import Target

TRAINED_ON = -1
"""In a plan: of rows that are trained on and never validated, as those with role extra."""


def held_out(manifest: Manifest, column: str | None) -> tuple[Manifest, str | None]:
    """With role test where the fold column holds a train row out, and the line that says so.

    Raises ManifestError for a group of which other rows train.
    """
    if column is None or column not in manifest.frame:
        return manifest, None
    cells, roles = to_scalars(manifest.frame[column]), manifest.frame["role"].tolist()
    out = [role == "train" and _is_held_out(cell) for cell, role in zip(cells, roles, strict=True)]
    if not any(out):
        return manifest, None
    names = sorted({str(cell) for cell, is_out in zip(cells, out, strict=True) if is_out})
    roles = ["test" if is_out else role for role, is_out in zip(roles, out, strict=True)]
    frame = manifest.frame.assign(role=pd.Series(roles, dtype=object))
    if (conflict := role_conflict(frame)) is not None:
        raise ManifestError(f"fold column {column!r}: {conflict}")
    line = f"held out: {counted(sum(out), 'row')} with {column} {' or '.join(names)}, never trained on"
    return replace(manifest, frame=frame), line


def _is_held_out(cell: Scalar) -> bool:
    return str(cell) == "-1" or split_of(cell) == "test"


def given_folds(
    train: pd.DataFrame, extra: pd.DataFrame, k: int, column: str, strata: Sequence[Target]
) -> NDArray[np.int16]:
    """(n,): the fold of each row with role train, TRAINED_ON where the column says train.

    Raises FoldPlanError, also where a fold lacks a class: it could not be judged there.
    """
    cells = _cells(train, column)
    texts = {_fold_name(cell) for cell in cells} - {None}
    names = sorted((text for text in texts if text is not None), key=lambda text: (_natural(text), text))
    if len(names) != k:
        raise FoldPlanError(
            f"fold column {column!r} has {counted(len(names), 'fold')} ({', '.join(names[:8])}) and the "
            f"space asks for {k}; set folds={len(names)} or correct the column"
        )
    number = {name: index for index, name in enumerate(names)}
    folds = np.array([number.get(_fold_name(cell) or "", TRAINED_ON) for cell in cells], dtype=np.int16)
    _refuse_split_groups(train, folds, column)
    for target in strata:
        lacks = _fold_without_a_class(target, train, extra, folds, names)
        if lacks is not None:
            raise FoldPlanError(
                f"fold column {column!r}: {lacks}; spread each class over the folds, or leave fold_column "
                "out to have them made"
            )
    return folds


def _cells(train: pd.DataFrame, column: str) -> list[Scalar]:
    if column not in train:
        raise FoldPlanError(
            f"fold column {column!r} is not in the manifest; it has {', '.join(train.columns)}"
        )
    cells = to_scalars(train[column])
    if None in cells:
        raise FoldPlanError(
            f"fold column {column!r} is empty for {train['path'].iloc[cells.index(None)]} "
            f"({cells.count(None)} train rows in all); give each train row its fold"
        )
    if any(map(_is_held_out, cells)):
        row = next(row for row, cell in enumerate(cells) if _is_held_out(cell))
        raise FoldPlanError(
            f"fold column {column!r} holds out {train['path'].iloc[row]}, which has role train; give it role "
            "test"
        )
    return cells


def fold_names(frame: pd.DataFrame, column: str) -> list[str | None]:
    """What each row's fold is called, "" where it is trained on alone, None where nothing is said."""
    return [None if cell is None else _fold_name(cell) or "" for cell in to_scalars(frame[column])]


def _fold_name(cell: Scalar) -> str | None:
    """None for a row that is trained on alone; all names of a validation part are one."""
    split = split_of(cell)
    return None if split == "train" else split or str(cell)


def _natural(text: str) -> list[tuple[int, str]]:
    """Folds named 1 to 10, or fold_1 to fold_10, keep their order: as texts, 10 would come before 2."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def _refuse_split_groups(train: pd.DataFrame, folds: NDArray[np.int16], column: str) -> None:
    split = pd.Series(folds).groupby(train["group"].to_numpy()).nunique()
    torn = split[split > 1].index.tolist()
    if torn:
        found = sorted(set(map(str, train[column][train["group"] == torn[0]])))
        raise FoldPlanError(
            f"fold column {column!r} puts group {torn[0]!r} into folds {', '.join(found)} ({len(torn)} such "
            "groups): a group would be trained on and validated on; give all rows of a group one fold"
        )


def _fold_without_a_class(
    target: Target, train: pd.DataFrame, extra: pd.DataFrame, folds: NDArray[np.int16], names: Sequence[str]
) -> str | None:
    """Which fold lacks what a made plan would have in each, or None.

    A class of which only extra rows are is never validated.
    """
    labels = target.encode(train)
    known = set() if target.multi_label or extra.empty else set(target.encode(extra).tolist())
    known -= set(labels.ravel().tolist())
    for fold, name in enumerate(names):
        lacking = [what for number, what in _lacking(target, labels[folds == fold]) if number not in known]
        if lacking:
            return f"fold {name} has no row {shortened(lacking)} of target {target.name!r} to validate on"
    return None


def _lacking(target: Target, labels: Labels) -> list[tuple[int, str]]:
    """labels: of one fold's n rows, (n,) or (n, L). The number of a class that none has, and its words."""
    if labels.ndim == 2:
        there, number = labels.sum(axis=0), len(labels)
        without = [(at, f"with label {name!r}") for at, name in enumerate(target.classes) if not there[at]]
        return without + [
            (at, f"without label {name!r}") for at, name in enumerate(target.classes) if there[at] == number
        ]
    present = set(labels.tolist())
    return [(at, f"of class {name!r}") for at, name in enumerate(target.classes) if at not in present]

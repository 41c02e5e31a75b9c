"""FO007 and FO016: classes that folds can hardly judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.text import counted, shortened
from orchestrator.study_checks.material import Material

FEW, MISSING = "FO007", "FO016"
GROUPS_A_FOLD = 2  # of a class: with one, a fold's score of it is that of one group
EVIDENCE = 50  # rows of a finding


@dataclass(frozen=True)
class ClassGroups:
    name: str
    rows: NDArray[np.int64]  # positions of its rows
    groups: int
    folds: frozenset[int]  # in which it has rows


def class_groups(
    names: Sequence[str], labels: Labels, groups: NDArray[np.str_], folds: NDArray[np.int16]
) -> list[ClassGroups]:
    """Of every class that has rows. labels (n,), or (n, L) of 0 and 1; groups, folds (n,)."""
    has = labels == 1 if labels.ndim == 2 else labels[:, None] == np.arange(len(names))
    found = []
    for number, name in enumerate(names):
        rows = np.flatnonzero(has[:, number])
        if len(rows):
            inside = frozenset(np.unique(folds[rows]).tolist())
            found.append(ClassGroups(name, rows, len(np.unique(groups[rows])), inside))
    return found


def look_for_few(material: Material) -> Iterator[Finding]:
    found, due = _of(material), GROUPS_A_FOLD * material.space.folds
    few = sorted((item for item in found if item.groups < due), key=lambda item: item.groups)
    if not few:
        least = min((item.groups for item in found), default=0)
        yield fine(FEW, f"the class in the fewest groups is in {least}; {due} are enough, two a fold")
        return
    listed = shortened([f"{item.name} ({counted(item.groups, 'group')})" for item in few], 5)
    yield coded(
        FEW,
        Level.WARNING,
        f"{counted(len(few), 'class', 'classes')} in fewer than {due} groups, twice the "
        f"{material.space.folds} folds: {listed}; the score of such a class is that of a group or two a fold",
        "collect more groups, use fewer folds, or merge them (--rare-as CLASS) or leave them out "
        f"(--drop-rare {due})",
        rows=_rows(material, few),
    )


def look_for_missing(material: Material) -> Iterator[Finding]:
    found, folds = _of(material), frozenset(range(material.space.folds))
    lacking = [item for item in found if item.folds != folds]
    if not lacking:
        yield fine(MISSING, f"each of {counted(len(found), 'class', 'classes')} has rows in every fold")
        return
    listed = shortened(
        [f"{item.name} (fold {', '.join(map(str, sorted(folds - item.folds)))})" for item in lacking], 5
    )
    yield coded(
        MISSING,
        Level.WARNING,
        f"{counted(len(lacking), 'class', 'classes')} without a row in some fold: {listed}; that fold's "
        "score "
        "leaves them out, so folds are not alike",
        "leave fold_column out, so that folds are balanced over the classes, or use fewer folds",
        rows=_rows(material, lacking),
    )


def _of(material: Material) -> list[ClassGroups]:
    rows = material.scored
    names = tuple(material.space.target.classes)
    return class_groups(names, material.labels[rows], material.groups[rows], material.fold_plan.folds[rows])


def _rows(material: Material, classes: Sequence[ClassGroups]) -> list[int]:
    positions = np.concatenate([item.rows for item in classes])[:EVIDENCE]
    return [int(row) for row in material.scored[positions]]

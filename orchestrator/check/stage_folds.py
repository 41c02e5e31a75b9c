"""The folds that a search of these data would have: rows and groups of each, and classes by folds."""

from __future__ import annotations

from orchestrator.check.look import Look
from orchestrator.check.stage_result import StageResult
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.data.quality.class_findings import uneven_folds
from orchestrator.data.quality.overview import fold_counts, fold_groups
from orchestrator.data.quality.task_labels import TaskLabels
from orchestrator.pages.blocks import Cell, Table


def look_at_folds(look: Look) -> StageResult:
    if look.refusal:
        return StageResult((_refused(look),))
    if not look.k:
        return StageResult()
    tables, findings = [_groups(look)], list[Finding]()
    for task in look.tasks:
        counts = fold_counts(task, look.folds, look.k)
        rows: list[tuple[Cell, ...]] = [
            (name, *own) for name, own in zip(task.classes, counts.tolist(), strict=True)
        ]
        tables.append(
            Table(_title(task), ("class", *_folds(look.k)), tuple(rows), in_terminal=len(rows) <= 12)
        )
        findings += uneven_folds(task.name, task.classes, counts)
    return StageResult(tuple(findings), tuple(tables))


def _refused(look: Look) -> Finding:
    groups = len(set(look.groups[look.roles == "train"]))
    if look.space is not None and groups < look.space.folds:  # no class is to blame
        way_out = "collect more groups, or look at what the rows are grouped by"
    else:
        way_out = "collect more groups of it, or leave the class out (--drop-rare N)"
    return coded("FO133", Level.BLOCKS, look.refusal, way_out)


def _title(task: TaskLabels) -> str:
    return f"{task.name}: rows validated in each fold"


def _folds(k: int) -> tuple[str, ...]:
    return tuple(f"fold {fold}" for fold in range(k))


def _groups(look: Look) -> Table:
    found = fold_groups(look.groups, look.folds, look.k).T.tolist()
    names = ("rows", "groups", "rows of the largest group")[: 3 if look.has_groups else 1]
    rows: tuple[tuple[Cell, ...], ...] = tuple((name, *own) for name, own in zip(names, found, strict=False))
    how = (
        "made as a search would make them"
        if look.space and not look.space.fold_column
        else "as the table says"
    )
    return Table(f"{look.k} folds", ("", *_folds(look.k)), rows, f"The folds are {how}.")

"""What the classes are: rows, groups, imbalance, for each task and for all of them together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from orchestrator.check.look import Look
from orchestrator.check.stage_result import StageResult
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.text import counted, shortened
from orchestrator.data.quality.class_findings import few_groups, few_rows, imbalanced
from orchestrator.data.quality.overview import ClassCount, class_counts, imbalance
from orchestrator.data.quality.task_labels import TaskLabels, joint_labels
from orchestrator.pages.blocks import Cell, Table


def look_at_classes(look: Look) -> StageResult:
    train = np.asarray(look.roles == "train", np.bool_)
    findings: list[Finding] = list(_unlabelled(look, train))
    tables = []
    for task in look.tasks:
        counts = class_counts(task, look.groups, train)
        tables.append(_table(task, counts, look))
        findings += [*few_rows(task.name, counts), *imbalanced(task.name, counts)]
        findings += few_groups(task.name, counts, look.k) if _folds_are_made(look) else []
    joint = joint_labels(look.tasks)
    if joint is not None:
        tables.append(_joint_table(joint, class_counts(joint, look.groups, train), look))
    return StageResult(tuple(findings), tuple(tables), (_rows_line(look),))


def _folds_are_made(look: Look) -> bool:
    """Folds of the table's own column are as they are."""
    return look.k > 0 and (look.space is None or look.space.fold_column is None)


def _rows_line(look: Look) -> str:
    roles = [f"{counted(int(n), 'row')} with role {role}" for role in ("train", "extra", "test")
             if (n := (look.roles == role).sum())]  # fmt: skip
    groups = f"{len(set(look.groups))} groups" if look.has_groups else "no groups: each row counts by itself"
    return f"rows: {', '.join(roles)}; {groups}"


def _unlabelled(look: Look, train: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[Finding]:
    for task in look.tasks:
        rows = np.flatnonzero(train & ~task.known)
        if len(rows):
            named = shortened([look.paths[row] for row in rows.tolist()])
            yield coded(
                "FO102",
                Level.WARNING,
                f"{task.name}: {counted(len(rows), 'row')} without a label: {named}",
                'fill them in; a target with missing="drop" leaves them out',
                rows=rows,
            )


def _table(task: TaskLabels, counts: tuple[ClassCount, ...], look: Look) -> Table:
    rows = tuple(_row(count, look) for count in counts)
    columns = ("label" if task.several else "class", "rows", "share", *_group_columns(look))
    return Table(f"{task.name}: {counted(len(counts), 'class', 'classes')}", columns, rows, _balance(counts))


def _joint_table(joint: TaskLabels, counts: tuple[ClassCount, ...], look: Look) -> Table:
    ordered = sorted(counts, key=lambda count: (count.rows, count.name))
    possible = int(np.prod([len(task.classes) for task in look.tasks if not task.several]))
    title = f"{joint.name} together: {len(counts)} of {possible} combinations occur; the rarest come first"
    rows = tuple(_row(count, look) for count in ordered)
    return Table(title, ("combination", "rows", "share", *_group_columns(look)), rows, _balance(counts))


def _group_columns(look: Look) -> tuple[str, ...]:
    return ("groups", "largest group") if look.has_groups else ()


def _row(count: ClassCount, look: Look) -> tuple[Cell, ...]:
    of_groups = (count.groups, count.largest_group) if look.has_groups else ()
    return (count.name, count.rows, f"{count.share:.1%}", *of_groups)


def _balance(counts: tuple[ClassCount, ...]) -> str:
    ratio = imbalance(counts)
    return f"The largest has {ratio:.1f} times the rows of the smallest." if ratio == ratio else ""

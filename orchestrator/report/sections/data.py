"""The rows: classes, groups, folds, and what a check of the data found."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.text import counted
from orchestrator.data.folds import FoldPlan
from orchestrator.data.manifest import Manifest
from orchestrator.data.quality.overview import class_counts, fold_counts, fold_groups, imbalance
from orchestrator.data.quality.task_labels import TaskLabels
from orchestrator.pages.blocks import Block, Cell, Code, Findings, Pictures, Quantity, Table, Text
from orchestrator.report.context import ReportContext
from orchestrator.report.earlier_check import EarlierCheck, find_check
from orchestrator.report.leaks import CODE, Leak, leak_of
from orchestrator.snapshot import StudySnapshot

TITLE = "Data"
QUESTION = "What was learned from: which rows, classes, groups and folds, and is anything wrong with them?"

PICTURES = 24
"""In all: three of each class, fewer of many classes."""
PER_CLASS = 3
COPIES = ("FO121", "FO122", "FO125", "FO126")
SHIFT = ("FO151", "FO152")


def blocks(context: ReportContext) -> tuple[Block, ...]:
    snapshot = context.main
    manifest = snapshot.manifest
    if manifest is None:
        return (Text(("The rows of this study cannot be read, so nothing is known of its data.",)),)
    leak = leak_of(context)
    found: list[Block] = [
        Text(
            (_lead(manifest, leak), *(() if leak is None else (leak.sentence("All scores on these folds"),)))
        )
    ]
    task = _task(snapshot, manifest)
    if task is not None:
        found += [_classes(task, manifest), *_folds(task, manifest, snapshot.fold_plan)]
    found += _check(snapshot, manifest, leak)
    if task is not None and context.images is not None:
        found += _pictures(task, manifest, context.seed)
    return tuple(found)


def _task(snapshot: StudySnapshot, manifest: Manifest) -> TaskLabels | None:
    """None where its labels cannot be read from these rows."""
    target = snapshot.space.target
    try:
        return TaskLabels(target.name, target.classes, target.encode(manifest.frame))
    except OrchestratorError as error:
        snapshot.notes.append(str(error))
        return None


def _train(manifest: Manifest) -> NDArray[np.bool_]:
    return np.asarray(manifest.frame["role"] == "train", np.bool_)


def _has_groups(manifest: Manifest) -> bool:
    return bool(manifest.frame["group"].nunique() < len(manifest.frame))


def _lead(manifest: Manifest, leak: Leak | None) -> str:
    roles = manifest.frame["role"].value_counts()
    rows = ", ".join(f"{counted(int(number), 'row')} with role {role}" for role, number in roles.items())
    if not _has_groups(manifest):
        return f"{rows}; no two rows share a group, so each counts by itself."
    sizes = manifest.frame["group"].value_counts()
    least, most = int(sizes.min()), int(sizes.max())
    of = counted(most, "row") if least == most else f"{least} to {most} rows (median {int(sizes.median())})"
    return (
        f"{rows}; {counted(len(sizes), 'group')} of {of}, none of which lies on both sides of a fold"
        f"{'' if leak is None else ', but copies of some of their images do'}."
    )


def _classes(task: TaskLabels, manifest: Manifest) -> Table:
    counts = class_counts(task, manifest.frame["group"].to_numpy(), _train(manifest))
    has_groups = _has_groups(manifest)
    columns = ("label" if task.several else "class", "rows", "share",
               *(("groups", "largest group") if has_groups else ()))  # fmt: skip
    rows = tuple(
        (item.name, item.rows, Quantity(item.share, f"{item.share:.1%}"),
         *((item.groups, item.largest_group) if has_groups else ()))
        for item in counts
    )  # fmt: skip
    ratio = imbalance(counts)
    note = f"The largest has {ratio:.1f} times the rows of the smallest." if ratio == ratio else ""
    return Table(f"{task.name}: {counted(len(counts), 'class', 'classes')}", columns, rows, note)


def _folds(task: TaskLabels, manifest: Manifest, plan: FoldPlan | None) -> Iterator[Table]:
    if plan is None or len(plan.folds) != len(manifest.frame):
        return
    groups, k = manifest.frame["group"].to_numpy(), plan.k
    has_groups = _has_groups(manifest)
    sizes, cells = fold_groups(groups, plan.folds, k).tolist(), fold_counts(task, plan.folds, k)
    columns = ("fold", "rows", *(("groups", "largest group") if has_groups else ()), *task.classes)
    rows = tuple(_fold_row(fold, size, cells[:, fold], has_groups) for fold, size in enumerate(sizes))
    note = "Each fold's rows are judged by models of the other folds; the columns on the right are classes."
    yield Table("Folds", columns, rows, note)


def _fold_row(fold: int, size: list[int], cells: NDArray[np.int64], has_groups: bool) -> tuple[Cell, ...]:
    return (fold, *(size if has_groups else size[:1]), *(int(cell) for cell in cells))


# ---- what a check found ----


def _check(snapshot: StudySnapshot, manifest: Manifest, leak: Leak | None) -> list[Block]:
    found = find_check(snapshot.path.parent, snapshot.header, manifest)
    if found is None:
        return [_no_check(snapshot)]
    of = "these very rows" if found.same_rows else "the same source, with as many rows to learn from"
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(found.written))
    said = (
        f"A check of {of} ({found.page.parent.name}, {when}), which knows nothing of this study's scores, "
        f"found in its own words: {_counted(found)}. {_shift(found)}"
    )
    return [Text((said, *_in_folds(found, leak)), title="What a check of the data found"),
            *([Findings(found.findings)] if found.findings else [])]  # fmt: skip


def _in_folds(found: EarlierCheck, leak: Leak | None) -> Iterator[str]:
    """How its number of copies and that of this study's check go together."""
    if leak is not None and any(item.code in COPIES for item in found.findings):
        yield (
            f"Of the copies that it counts, {counted(leak.images, 'image')} came to lie in another fold of "
            f"this study than a copy: {CODE} in Checks counts those alone."
        )


def _no_check(snapshot: StudySnapshot) -> Block:
    said = "No check of these rows lies beside the study."
    source = snapshot.header.manifest.get("source")
    if snapshot.header.demo or not source:
        return Text((said,))
    command = f"python -m orchestrator.check --data {shlex.quote(str(source))}"
    return Code(command, "Check the data", f"{said} This looks for copies, leaks, wrong labels and shift.")


def _counted(found: EarlierCheck) -> str:
    number = len(found.findings)
    return f"{counted(number, 'thing')} worth a look" if number else "nothing to worry about"


def _shift(found: EarlierCheck) -> str:
    """One line on whether rows to predict are like these."""
    for item in found.findings:
        if item.code in SHIFT:
            return f"Shift: {item.found}."
    line = next((line for line in found.lines if line.startswith("shift:")), "")
    return f"Shift: {line.removeprefix('shift:').strip()}." if line else "It did not look for a shift."


# ---- pictures ----


def _pictures(task: TaskLabels, manifest: Manifest, seed: int) -> list[Block]:
    each = min(PER_CLASS, PICTURES // max(len(task.classes), 1))
    if not each:
        return []
    rng, groups = np.random.default_rng([seed, 19]), manifest.frame["group"].to_numpy(dtype=str)
    sets, heads = [], []
    for number, name in enumerate(task.classes):
        rows = _some(np.flatnonzero(task.holds(number) & _train(manifest)), groups, each, rng)
        if rows:
            sets.append(rows)
            heads.append(name)
    if not sets:
        return []
    note = f"{counted(each, 'image')} of each, drawn at random, of different groups where there are several."
    return [
        Pictures(
            f"Some images of each {'label' if task.several else 'class'}", tuple(sets), note, tuple(heads)
        )
    ]


def _some(
    rows: NDArray[np.intp], groups: NDArray[np.str_], most: int, rng: np.random.Generator
) -> tuple[int, ...]:
    """Rows of different groups, as far as there are such."""
    order = rng.permutation(rows)
    _, first = np.unique(groups[order], return_index=True)
    own = order[np.sort(first)]
    rest = order[~np.isin(order, own)]
    return tuple(int(row) for row in np.concatenate([own, rest])[:most])

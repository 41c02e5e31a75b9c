"""What a leak would be worth here: a quick baseline in folds that ignore groups and in honest ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.check.features import Described, features_of
from orchestrator.check.look import Look
from orchestrator.check.stage_result import StageResult
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.metrics import find, is_own
from orchestrator.core.task import Task
from orchestrator.data.identical_files import codes_of
from orchestrator.data.quality.dealt_folds import drawn_groups
from orchestrator.data.quality.task_labels import TaskLabels
from orchestrator.evaluation.leak_value import LEVEL, LeakValue, Rows, leak_value
from orchestrator.pages.blocks import Table
from orchestrator.progress import progress_bar

FOLDS = 5  # where a search would have none
MOST = 10_000  # rows that a baseline is fitted to, in whole groups
TASKS = 3  # of which a baseline is made
LEAST = 20  # groups, below which the interval of the difference says nothing


def look_at_baseline(look: Look) -> StageResult:
    """Raises TrainableError, WeightsError, StorageError."""
    groups = look.joined
    if not look.tasks or len(np.unique(groups[_judged(look)])) == _judged(look).sum():
        return StageResult(lines=_unseen(look))
    described, found = features_of(look), list[tuple[TaskLabels, LeakValue]]()
    for task in look.tasks[:TASKS]:
        rows = baseline_rows(look, task, described)
        if len(np.unique(groups[rows])) >= LEAST:
            found.append((task, _value(look, task, described, rows)))
    findings = [_finding(look, task, described, value) for task, value in found if value.is_certain]
    lines = (f"baseline: logistic regression on {described.by}",) if found else ()
    return StageResult(tuple(findings), _tables(found), (*lines, *_unseen(look)))


def baseline_rows(look: Look, task: TaskLabels, described: Described) -> NDArray[np.int64]:
    """Row numbers: those that a search would judge, with a label and features; at most MOST."""
    rows = np.flatnonzero(_judged(look) & task.known & described.usable)
    drawn = drawn_groups(look.joined[rows], MOST, np.random.default_rng(look.arguments.seed))
    return rows[drawn]


def _judged(look: Look) -> NDArray[np.bool_]:
    """(n,): the rows that a search would judge."""
    return np.asarray(look.folds >= 0 if look.k else look.roles == "train", np.bool_)


def rows_of(look: Look, task: TaskLabels, described: Described, rows: NDArray[np.int64]) -> Rows:
    metric, mode = _metric(look, task)
    classes, groups = len(task.classes), look.joined[rows]
    return Rows(described.features[rows], task.values[rows], groups, classes, metric, mode)


def dealt(look: Look) -> int:
    """How many folds to deal where the search has none to be fitted and scored on."""
    return look.k if look.k > 1 else FOLDS


def honest_folds(
    look: Look, rows: NDArray[np.int64], groups: NDArray[np.integer]
) -> NDArray[np.int16] | None:
    """The search's folds of the rows; None where there are fewer than two, so that nothing is left to fit
    to, or where they tear a group or copies apart.

    groups: of the rows, as numbers that copies share.
    """
    folds = look.folds[rows]
    return folds if look.k > 1 and _keeps_together(folds, groups) else None


def _value(look: Look, task: TaskLabels, described: Described, rows: NDArray[np.int64]) -> LeakValue:
    given, seed = rows_of(look, task, described, rows), look.arguments.seed
    folds = honest_folds(look, rows, given.groups)
    with progress_bar(f"baseline of {task.name}") as progress:
        return leak_value(given, folds, dealt(look), seed, progress)


def _metric(look: Look, task: TaskLabels) -> tuple[str, str]:
    """The space's metric and its mode where it can judge this task, else macro-F1."""
    if look.space is not None and not is_own(look.space.metric):
        refused = find(look.space.metric).refusal(Task(task.classes, task.several))
        if not refused:
            return look.space.metric, look.space.mode
    return "macro_f1", "max"


def _unseen(look: Look) -> tuple[str, ...]:
    """What is not looked at without weights; nothing where there are some."""
    if look.embedded.values is not None:
        return ()
    return (f"note: {look.embedded.note}",)


def _keeps_together(folds: NDArray[np.int16], groups: NDArray[np.integer]) -> bool:
    return len(np.unique(np.stack([folds, groups]), axis=1).T) == len(np.unique(groups))


def _finding(look: Look, task: TaskLabels, described: Described, found: LeakValue) -> Finding:
    """A warning where the folds of a search, which keep the given groups, would flatter too."""
    rows = baseline_rows(look, task, described)
    given, joined = codes_of(look.groups[rows]), ""
    before = len(np.unique(given))
    if found.n_groups < before:  # copies of one picture are in several of them
        joined = f"; {before} groups before copies were joined"
        torn = _torn(look, task, described, rows, given) if before < len(rows) else found
        if torn.is_certain:
            said = torn.said("that tear copies apart")
            way_out = "--write-groups FILE joins copies to the groups; search with that"
            return coded("FO161", Level.WARNING, f"{task.name}: {said}{joined}", way_out)
    way_out = (
        "keep the groups, which the folds of a search respect; believe no score of folds that ignore them"
    )
    return coded("FO161", Level.OK, f"{task.name}: {found}{joined}", way_out)


def _torn(
    look: Look, task: TaskLabels, described: Described, rows: NDArray[np.int64], given: NDArray[np.int64]
) -> LeakValue:
    """Folds that keep the given groups (n,) of the rows, beside those that keep copies together too."""
    asked = rows_of(look, task, described, rows)
    with progress_bar(f"baseline of {task.name}, with copies torn apart") as progress:
        return leak_value(asked, None, dealt(look), look.arguments.seed, progress, given)


def _tables(found: list[tuple[TaskLabels, LeakValue]]) -> tuple[Table, ...]:
    if not found:
        return ()
    rows = tuple(
        (task.name, value.metric, value.leaking, value.honest, value.difference,
         f"{value.low:+.3f} to {value.high:+.3f}")
        for task, value in found
    )  # fmt: skip
    columns = ("", "metric", "ignoring groups", "honest", "difference", f"{LEVEL:.0%} interval")
    note = "What a leak would be worth: rows of one group on both sides of a fold flatter by the difference."
    return (Table("a quick baseline in folds that ignore groups, and in honest ones", columns, rows, note),)

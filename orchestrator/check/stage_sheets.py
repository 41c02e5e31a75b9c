"""A contact sheet of each class: some of its images, drawn at random."""

from __future__ import annotations

import numpy as np

from orchestrator.check.look import Look
from orchestrator.check.stage_result import StageResult
from orchestrator.data.quality.task_labels import TaskLabels
from orchestrator.pages.blocks import Pictures

MOST = 360  # pictures on all sheets of a page together
EACH = 12  # pictures of a class
_LEAST = 2


def draw_sheets(look: Look) -> StageResult:
    classes = sum(len(task.classes) for task in look.tasks)
    if not classes:
        rows = _drawn(look, np.ones(len(look), np.bool_), 2 * EACH)
        return StageResult(blocks=(Pictures("some of the images", tuple((row,) for row in rows)),))
    each = max(_LEAST, min(EACH, MOST // classes))
    sheets = [_sheet(look, task, number, each) for task in look.tasks for number in range(len(task.classes))]
    return StageResult(blocks=tuple(sheets[: MOST // each]))


def _sheet(look: Look, task: TaskLabels, number: int, each: int) -> Pictures:
    holds = task.holds(number)
    rows = _drawn(look, holds, each)
    note = f"{len(rows)} of {int(holds.sum())} images" if len(rows) < holds.sum() else ""
    return Pictures(f"{task.name}: {task.classes[number]}", tuple((row,) for row in rows), note)


def _drawn(look: Look, among: np.ndarray[tuple[int], np.dtype[np.bool_]], number: int) -> list[int]:
    """Readable ones, in the order of the table; the same seed draws the same ones."""
    rows = np.flatnonzero(among & look.measures.readable)
    rng = np.random.default_rng([look.arguments.seed, len(rows)])
    chosen = rng.permutation(rows)[:number]
    return [int(row) for row in np.sort(chosen)]

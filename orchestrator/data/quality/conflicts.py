"""Copies of one image whose labels differ: one of the labels at least is wrong."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.text import counted, shortened
from orchestrator.data.quality.crossing import Pair, at_odds, near_at_odds
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.quality.task_labels import TaskLabels


def label_conflicts(
    found: Duplicates, tasks: Sequence[TaskLabels], paths: Sequence[str]
) -> Iterator[Finding]:
    """FO123 of identical images, FO124 of near duplicates. paths (n,)."""
    for task in tasks:
        values = _values(task)
        pairs = at_odds(found.exact, values)
        if pairs:
            said = f"{counted(len(pairs), 'image')} with another label than an identical one"
            yield coded(
                "FO123", Level.BLOCKS, f"{task.name}: {said}: {_named(pairs, task, paths)}",
                "correct the labels (--label-fixes), or say what becomes of them (tune --on-conflict drop)",
                pairs=pairs,
            )  # fmt: skip
        near = near_at_odds(found, values)
        if near:
            said = f"{counted(len(near), 'pair')} of near duplicates with different labels"
            yield coded(
                "FO124", Level.WARNING, f"{task.name}: {said}: {_named(near, task, paths, '~')}",
                "look at them side by side and correct what is wrong (--label-fixes)", pairs=near,
            )  # fmt: skip


def _values(task: TaskLabels) -> list[Hashable]:
    rows = task.values.tolist()
    return [
        None if not known else tuple(row) if task.several else row
        for row, known in zip(rows, task.known.tolist(), strict=True)
    ]


def _named(pairs: Sequence[Pair], task: TaskLabels, paths: Sequence[str], sign: str = "=") -> str:
    return shortened([f" {sign} ".join(f"{paths[row]} ({task.text(row)})" for row in pair) for pair in pairs])

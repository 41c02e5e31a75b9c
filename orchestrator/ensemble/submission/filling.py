"""A template filled in, and checked before it is written. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.core.task import Task
from orchestrator.core.text import shortened
from orchestrator.ensemble.submission.layout import Kind, Layout
from orchestrator.ensemble.submission.template import Template

_ROUNDING = 1e-6  # what writing float32 numbers may take from a sum of 1


def fill(
    template: Template, layout: Layout, task: Task, probabilities: Probabilities, labels: Labels
) -> Template:
    """The template with its columns filled in, every other cell as it was.

    probabilities (n, C) and the labels that were decided, (n,) or (n, L), are in the order of its n rows.
    """
    cells = _cells(layout, _distribution(probabilities, task), labels)
    rows = [list(row) for row in template.rows]
    for index, column in zip(layout.columns, cells, strict=True):
        for row, cell in zip(rows, column, strict=True):
            row[index] = cell
    never = layout.words[0] if layout.kind is Kind.FLAGS else _number(0.0)
    for index in layout.zeros:
        for row in rows:
            row[index] = never
    return replace(template, rows=tuple(map(tuple, rows)))


def check(filled: Template, template: Template, layout: Layout, task: Task) -> None:
    """Raises EnsembleError unless every id of the template is there once, in its order, no other is, and
    every cell is what the layout says."""
    _check_ids(filled, template, layout.kept)
    if layout.kind is Kind.PROBABILITIES:
        _check_probabilities(filled, layout, task)
        return
    known = set(layout.words)
    for index in layout.columns:
        for row, cell in enumerate(filled.column(index)):
            if not known.issuperset(_words(cell, layout)):
                raise EnsembleError(f"{filled.name}: row {row + 1} has {cell!r}, which is no label")


def check_probabilities(probabilities: Probabilities, rows: int, task: Task) -> None:
    """Raises EnsembleError unless they are (rows, C), finite, in [0, 1], and sum to 1 where one is true."""
    if probabilities.shape != (rows, len(task)):
        raise EnsembleError(
            f"probabilities {probabilities.shape} need a row for each of {rows} ids and a column for each of "
            f"{len(task)} classes"
        )
    fault = ~np.isfinite(probabilities) | (probabilities < 0) | (probabilities > 1 + 1e-3)
    if fault.any():
        row, column = np.argwhere(fault)[0].tolist()
        raise EnsembleError(
            f"the probability of class {task.classes[column]!r} in row {row + 1} is "
            f"{probabilities[row, column]}; it must be finite and from 0 to 1"
        )
    sums = probabilities.sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1) > 1e-2)
    if len(off) and not task.multi_label:
        raise EnsembleError(f"the probabilities of row {off[0] + 1} sum to {sums[off[0]]:.4f}, not 1")


def _distribution(probabilities: Probabilities, task: Task) -> NDArray[np.float64]:
    """In [0, 1]; of one true class summing to 1 exactly: half precision leaves a rest."""
    exact = np.clip(probabilities.astype(np.float64), 0, 1)
    return exact if task.multi_label else exact / exact.sum(axis=1, keepdims=True)


def _cells(layout: Layout, probabilities: NDArray[np.float64], labels: Labels) -> list[list[str]]:
    """One list for each column that is filled in."""
    if layout.kind is Kind.PROBABILITIES:
        return [[_number(value) for value in probabilities[:, index]] for index in layout.classes]
    if layout.kind is Kind.FLAGS:
        flags = labels if labels.ndim == 2 else labels[:, None] == np.arange(probabilities.shape[1])
        return [[layout.words[int(flag)] for flag in flags[:, index]] for index in layout.classes]
    if layout.kind is Kind.LABEL:
        return [[layout.words[label] for label in labels]]
    if layout.kind is Kind.RANKING:
        chosen = list(np.argsort(-probabilities, axis=1, kind="stable")[:, : layout.count])
    else:
        chosen = [np.flatnonzero(row) for row in labels]
    return [[layout.separator.join(layout.words[index] for index in row) for row in chosen]]


def _words(cell: str, layout: Layout) -> list[str]:
    """A set of labels may be empty, a label may not."""
    if layout.kind in (Kind.LABEL_SET, Kind.RANKING):
        return cell.split(layout.separator) if cell else []
    return [cell]


def _number(value: float) -> str:
    """As many digits as float32 has, never with an exponent, which some readers refuse."""
    return np.format_float_positional(np.float32(value), trim="0")


def _check_ids(filled: Template, template: Template, kept: Sequence[int]) -> None:
    found, wanted = (
        [tuple(row[index] for index in kept) for row in table.rows] for table in (filled, template)
    )
    if found == wanted:
        return
    ids, asked = ([row[0] for row in rows] for rows in (found, wanted))
    there, expected = set(ids), set(asked)
    twice = [name for name, times in Counter(ids).items() if times > 1]
    lacking = [name for name in dict.fromkeys(asked) if name not in there]
    extra = [name for name in dict.fromkeys(ids) if name not in expected]
    wrong = {"appear more than once": twice, "are missing": lacking, "are not in the template": extra}
    said = [f"ids {shortened(names)} {rule}" for rule, names in wrong.items() if names]
    raise EnsembleError(f"{filled.name}: {'; '.join(said) or 'the ids are not in the order of the template'}")


def _check_probabilities(filled: Template, layout: Layout, task: Task) -> None:
    values = np.array([[float(row[index]) for index in layout.columns] for row in filled.rows])
    whole = not task.multi_label and len(layout.columns) == len(task)
    fault = ~np.isfinite(values) | (values < 0) | (values > 1)
    if fault.any() or (whole and (np.abs(values.sum(axis=1) - 1) > len(task) * _ROUNDING).any()):
        raise EnsembleError(
            f"{filled.name}: a probability is not from 0 to 1, or those of a row do not sum to 1"
        )

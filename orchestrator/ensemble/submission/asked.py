"""Whether labels or probabilities are wanted.

A template's cells are placeholders, yet they say what belongs there: names of classes, whole numbers, or
numbers with decimals. 0 and 1 may be either; then the study's metric decides, or the user.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core.csv_cells import is_number
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import find, is_own
from orchestrator.core.task import Task
from orchestrator.core.text import shortened
from orchestrator.ensemble.submission.template import Template

LABELS, PROBABILITIES = ANSWERS = "labels", "probabilities"
_OF_CHANCE = re.compile(r"(p|prob|probs|proba|probability|score|confidence)([_ ].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """What is known beside the template."""

    task: Task
    table: tuple[str, ...] | None = None  # (C,): how the training table writes each class, where known
    label_columns: tuple[str, ...] = ()  # the target's name and, where they are no classes, its columns
    spread: bool = False  # whether the training table has a column for each class
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)  # as `column_spellings` gives them
    separator: str | None = None  # between the labels of a cell of the training table
    metric: str = ""  # the study's
    needs: str | None = None  # LABELS or PROBABILITIES, by the metric; None: that is not known
    left_out: frozenset[str] = frozenset()  # classes that are known and never predicted: rare ones
    answer: str | None = None  # LABELS or PROBABILITIES, as the user wants; None leaves it to the template


@dataclass(frozen=True)
class Cells:
    """The columns that are filled in, as far as they tell labels from probabilities."""

    what: str  # the columns, for messages
    words: frozenset[str]  # that stand in them now
    labels: bool  # whether all words are labels
    probabilities: bool  # whether all words are probabilities
    name: str = ""  # of the column, where there is one
    spelt: bool = False  # whether the training table writes labels so: their decimals then say nothing


def needs_of(metric: str) -> str | None:
    """LABELS or PROBABILITIES, whichever the metric looks at; None for one of the user's own.

    Raises MetricError where it is not known.
    """
    return None if is_own(metric) else find(metric).needs


def probable(words: Collection[str]) -> bool:
    """Whether each is a number from 0 to 1."""
    return all(is_number(word) and 0 <= float(word) <= 1 for word in words)


def choose(template: Template, asked: Asked, cells: Cells) -> str:
    """LABELS or PROBABILITIES. Raises EnsembleError where the user's answer does not fit, or both may be."""
    if asked.answer is not None:
        _refuse_other(template, asked.answer, cells)
        return asked.answer
    if not (cells.labels and cells.probabilities):
        return LABELS if cells.labels else PROBABILITIES
    if (_decimals(cells.words) and not cells.spelt) or _OF_CHANCE.fullmatch(cells.name):
        return PROBABILITIES
    if asked.needs is None:
        raise EnsembleError(
            f"template {template.name}: {cells.what} may ask for labels or for probabilities, and the metric "
            f"{asked.metric} does not say which; give --as labels or --as probabilities"
        )
    return asked.needs


def _decimals(words: Collection[str]) -> bool:
    return any("." in word or "e" in word.lower() for word in words if is_number(word))


def _refuse_other(template: Template, answer: str, cells: Cells) -> None:
    if cells.labels if answer == LABELS else cells.probabilities:
        return
    there = f"hold {shortened(sorted(cells.words))}" if cells.words else "are empty"
    raise EnsembleError(
        f"--as {answer}: the cells of {cells.what} of template {template.name} {there}, which are no "
        f"{answer}; leave --as out, or name another --template"
    )

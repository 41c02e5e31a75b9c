"""A template with a column for each class."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.core.csv_cells import is_number
from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import shortened, suggestion
from orchestrator.ensemble.submission.asked import LABELS, Asked, Cells, choose, probable
from orchestrator.ensemble.submission.layout import Kind, Layout
from orchestrator.ensemble.submission.spellings import Spelling
from orchestrator.ensemble.submission.template import Template

_TRUTH = (("0", "1"), ("False", "True"), ("false", "true"))


def class_columns(template: Template, ways: Sequence[Spelling]) -> tuple[int, ...] | None:
    """The column of each class, (C,); None unless every class has one.

    Columns are named as classes are, with the same beginning before all of them or none; where that finds
    nothing, capitals, spaces, hyphens and underscores don't count. Raises EnsembleError for two ways at once.
    """
    for names, folds in ((list(template.header), str), ([folded(name) for name in template.header], folded)):
        for way in ways:
            found = _all_columns([folds(word) for word in way.words], names)
            if len(found) > 1:
                one, other = (template.header[columns[0]] for columns in found[:2])
                raise EnsembleError(
                    f"template {template.name}: columns {one!r} and {other!r} may both be class "
                    f"{way.words[0]!r}; take one of the two sets of columns out"
                )
            if found:
                return found[0]
    return None


def by_class(template: Template, asked: Asked, columns: tuple[int, ...]) -> Layout:
    """columns (C,): that of each class. Raises EnsembleError."""
    zeros = _left_out(template, asked, columns)
    kept = tuple(index for index in range(len(template.header)) if index not in (*columns, *zeros))
    _refuse_unknown(template, asked, kept)
    words = frozenset(cell for index in columns for cell in template.column(index) if cell)
    truth = next((pair for pair in _TRUTH if words <= set(pair)), None)
    if truth is None and not probable(words):
        _refuse_no_number(template, columns)
    what = f"columns {shortened([template.header[index] for index in columns])}"
    never = shortened([template.header[index] for index in zeros])
    rare = f"; 0 for {never}, left out as rare" if zeros else ""
    every = tuple(range(len(columns)))
    cells = Cells(what, words, truth is not None, probable(words))
    if choose(template, asked, cells) == LABELS:
        assert truth is not None
        says = (
            f"{what}: {truth[1]} for {'each label' if asked.task.multi_label else 'the class'} of a row{rare}"
        )
        return Layout(Kind.FLAGS, columns, every, truth, kept, says, zeros=zeros)
    says = f"{what}: probabilities{rare}"
    return Layout(Kind.PROBABILITIES, columns, every, asked.task.classes, kept, says, zeros=zeros)


def _left_out(template: Template, asked: Asked, columns: tuple[int, ...]) -> tuple[int, ...]:
    """The columns of classes that were left out, which are named as those of the others are."""
    first, word = template.header[columns[0]], asked.task.classes[0]
    start = first[: len(first) - len(word)] if folded(first).endswith(folded(word)) else ""
    wanted = {folded(start + name) for name in asked.left_out}
    others = [index for index in range(len(template.header)) if index not in columns]
    return tuple(index for index in others if folded(template.header[index]) in wanted)


def folded(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip()


def _all_columns(words: Sequence[str], names: Sequence[str]) -> list[tuple[int, ...]]:
    """For each beginning that fits, nothing before all others."""
    starts = dict.fromkeys(name.removesuffix(words[0]) for name in names if name.endswith(words[0]))
    fitting = {start: _columns([start + word for word in words], names) for start in starts}
    found = {start: columns for start, columns in fitting.items() if columns is not None}
    return [found[""]] if "" in found else list(found.values())


def _columns(wanted: Sequence[str], names: Sequence[str]) -> tuple[int, ...] | None:
    at = {name: index for index, name in enumerate(names)}
    columns = tuple(at[name] for name in wanted if name in at)
    return columns if len(set(columns)) == len(wanted) else None


def _refuse_unknown(template: Template, asked: Asked, kept: Sequence[int]) -> None:
    """Beside the ids there may be words that belong to them, but no column that waits for a number."""
    if not kept:
        raise EnsembleError(
            f"template {template.name} has a column for each class and none for the ids; add one"
        )
    for index in kept[1:]:
        if all(not cell or is_number(cell) for cell in template.column(index)):
            name = template.header[index]
            raise EnsembleError(
                f"template {template.name}: column {name!r} is no class of the training table"
                f"{suggestion(name, asked.task.classes)}; its classes are {shortened(asked.task.classes, 8)}"
            )


def _refuse_no_number(template: Template, columns: Sequence[int]) -> None:
    for index in columns:
        for row, cell in enumerate(template.column(index)):
            if cell and not probable([cell]):
                raise EnsembleError(
                    f"template {template.name}: column {template.header[index]!r} has {cell!r} "
                    f"({template.place(row)}), where a probability or 0 or 1 belongs; empty its cells"
                )

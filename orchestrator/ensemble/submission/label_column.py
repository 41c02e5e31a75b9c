"""A template with one column for the answer."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.csv_cells import is_number
from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import shortened, suggestion
from orchestrator.ensemble.submission.asked import PROBABILITIES, Asked, Cells, choose, probable
from orchestrator.ensemble.submission.class_columns import folded
from orchestrator.ensemble.submission.layout import Kind, Layout
from orchestrator.ensemble.submission.spellings import Spelling, spelling_of
from orchestrator.ensemble.submission.template import Template

_SEPARATORS = (" ", "|", ";", ",")


def label_column(template: Template, asked: Asked, ways: Sequence[Spelling]) -> int:
    """The column to fill in: that of the label in the training table, else the only one beside the ids.

    Raises EnsembleError, which says what is missing where some classes have columns.
    """
    named = [index for index, name in enumerate(template.header) if name in asked.label_columns]
    if len(named) == 1:
        return named[0]
    if len(template.header) == 2:
        at = _answer_of_two(template)
        if len(asked.task) == 2 or _class_of(template.header[at], ways) is None:
            return at
    way = max(ways, key=lambda way: sum(_named_after(name, way) for name in template.header))
    missing = [word for word in way.words if not any(name.endswith(word) for name in template.header)]
    if 0 < len(missing) < len(way.words):
        raise EnsembleError(
            f"template {template.name} has no column for class {shortened(list(map(repr, missing)))} of "
            f"the training table; its columns are {shortened(template.header, 8)}"
        )
    raise EnsembleError(
        f"template {template.name}: columns {shortened(template.header[1:])} are neither the classes of "
        f"the training table ({shortened(asked.task.classes)}) nor its label; leave the ids and what is "
        "to fill in"
    )


def one_class(template: Template, asked: Asked, ways: Sequence[Spelling], column: int) -> Layout:
    """The class of a row, several guesses, or the probability of one of two. Raises EnsembleError."""
    name = template.header[column]
    words = frozenset(cell for cell in template.column(column) if cell) - asked.left_out
    way, chances = spelling_of(words, ways), len(asked.task) == 2 and probable(words)
    if len(asked.task) > 2:
        _refuse_probabilities(template, asked, column)
    ranking = None if way or chances else _ranking(template, asked, ways, column)
    if ranking is not None:
        return ranking
    if way is None and not chances:
        raise EnsembleError(_no_class(template, asked, ways, column, sorted(words)))
    spelt = way is ways[0] and any("." in word for word in words)
    cells = Cells(f"column {name!r}", words, way is not None, chances, name, spelt)
    kept = _others(template, column)
    named = _class_of(name, ways)
    wanted = 1 if named is None else named
    if choose(template, asked, cells) == PROBABILITIES:
        says = f"{cells.what}: the probability of class {asked.task.classes[wanted]!r}"
        return Layout(Kind.PROBABILITIES, (column,), (wanted,), asked.task.classes, kept, says)
    if named is not None and chances:
        says = f"{cells.what}: 1 for class {asked.task.classes[named]!r}, else 0"
        return Layout(Kind.FLAGS, (column,), (named,), ("0", "1"), kept, says)
    assert way is not None
    return Layout(Kind.LABEL, (column,), (), way.words, kept, f"{cells.what}: the class, {way.meaning}")


def _ranking(template: Template, asked: Asked, ways: Sequence[Spelling], column: int) -> Layout | None:
    """Several classes in a cell, of which one is true: as many guesses. None where that is not asked for."""
    cells = [cell.split() for cell in template.column(column)]
    words = {word for words in cells for word in words} - asked.left_out
    way, count = spelling_of(words, ways), max(map(len, cells))
    if way is None or not 1 < count <= len(asked.task):
        return None
    says = f"column {template.header[column]!r}: the {count} most probable classes, {way.meaning}"
    kept = _others(template, column)
    return Layout(Kind.RANKING, (column,), (), way.words, kept, says, " ", count)


def several_labels(template: Template, asked: Asked, ways: Sequence[Spelling], column: int) -> Layout:
    """All labels of a row in one cell. Raises EnsembleError."""
    own = [] if asked.separator is None else [asked.separator]
    for separator in dict.fromkeys([*own, *_SEPARATORS]):
        words = {word for cell in template.column(column) for word in cell.split(separator) if word}
        words -= asked.left_out
        way = spelling_of(words, [way for way in ways if not any(separator in word for word in way.words)])
        if way is not None:
            break
    else:
        words = {word for cell in template.column(column) for word in cell.split(own[0] if own else " ")}
        raise EnsembleError(_no_class(template, asked, ways, column, sorted(words)))
    what = f"column {template.header[column]!r}"
    _refuse_probabilities(template, asked, column)
    says = f"{what}: the labels of a row with {separator!r} between them, {way.meaning}"
    return Layout(Kind.LABEL_SET, (column,), (), way.words, _others(template, column), says, separator)


def _refuse_probabilities(template: Template, asked: Asked, column: int) -> None:
    if asked.answer == PROBABILITIES:
        raise EnsembleError(
            f"--as probabilities: template {template.name} has one column, {template.header[column]!r}, for "
            f"{len(asked.task)} classes; leave --as out, or name a template with a column for each class"
        )


def _answer_of_two(template: Template) -> int:
    """The second column, unless the first repeats itself and the second does not: ids are there once."""
    first, second = (len(set(template.column(at))) for at in (0, 1))
    return 0 if first < second == len(template.rows) else 1


def _named_after(name: str, way: Spelling) -> bool:
    return any(name.endswith(word) for word in way.words)


def _others(template: Template, column: int) -> tuple[int, ...]:
    return tuple(index for index in range(len(template.header)) if index != column)


def _class_of(name: str, ways: Sequence[Spelling]) -> int | None:
    """The class that a column is named after."""
    pairs = [(index, word) for way in ways[:2] for index, word in enumerate(way.words)]
    found = {index for index, word in pairs if folded(name) == folded(word)}
    return found.pop() if len(found) == 1 else None


def _no_class(
    template: Template, asked: Asked, ways: Sequence[Spelling], column: int, words: Sequence[str]
) -> str:
    known = {word for way in ways for word in way.words}
    word = next((word for word in words if word and word not in known), words[0])
    row = next(row for row, cell in enumerate(template.column(column)) if word in cell)
    begin = (
        f"template {template.name}: column {template.header[column]!r} has {word!r} ({template.place(row)})"
    )
    first, *rest = word.split() or [word]
    scored = any(is_number(part) and not float(part).is_integer() for part in (first, *rest))
    boxed = first in known and not known & {*rest} and all(map(is_number, rest))
    if rest and (scored or boxed):
        return (
            f"{begin}: more than classes in a cell, such as a class with its score, is not written; name a "
            "template of ids and classes alone, and add the rest to what is written"
        )
    if is_number(word) and not float(word).is_integer():
        return (
            f"{begin}, one number a row, but there are {len(asked.task)} classes; it needs a column for each "
            "of them, or names of classes"
        )
    return (
        f"{begin}, which is no class of the training table{suggestion(word, asked.task.classes)}; its "
        f"classes are {shortened(asked.task.classes, 8)}; if the cells mean nothing, empty them"
    )

"""The ways in which a table may write the classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq

import pandas as pd

from orchestrator.core.arrays import Labels
from orchestrator.core.task import Task
from orchestrator.data.scalars import to_scalars, to_text

_TRUTH = (("False", "True"), ("false", "true"), ("FALSE", "TRUE"))


@dataclass(frozen=True)
class Spelling:
    words: tuple[str, ...]  # (C,): how each class is written
    meaning: str  # how a message says it: "as the training table writes it"
    column: str | None = None  # of the training table that writes it so, where that is not the label's own


def spellings(
    task: Task, table: Sequence[str] | None = None, columns: Mapping[str, Sequence[str]] | None = None
) -> list[Spelling]:
    """The likeliest first. table (C,): how the training table writes each class, where that is known.

    columns: of the training table that write the classes in another way, with these words (C,).
    """
    found = [] if table is None else [Spelling(tuple(table), "as the training table writes it")]
    found.append(Spelling(task.classes, "by name"))
    for name, others in (columns or {}).items():
        found.append(Spelling(tuple(others), f"as column {name!r} of the training table writes it", name))
    for words in _numbers(task.classes):
        found.append(Spelling(words, "as the template writes that number"))
    if _is_truth(task.classes):
        found += [Spelling(words, "as the template writes it") for words in (("0", "1"), *_TRUTH)]
    if not all(_whole(name) is not None for name in task.classes) and not _is_truth(task.classes):
        numbers = [str(index) for index in range(len(task.classes))]
        which = f"0 is {task.classes[0]!r}, {numbers[-1]} is {task.classes[-1]!r}"
        found.append(Spelling(tuple(numbers), f"by number ({which})"))
        if len(numbers) > 2 or task.multi_label:
            found.append(Spelling(tuple(f"{word}.0" for word in numbers), f"by number ({which})"))
    return found


def column_spellings(
    frame: pd.DataFrame, labels: Labels, classes: int, leave_out: Collection[str] = ()
) -> dict[str, list[str]]:
    """Column -> how it writes each class, of the columns that say another thing of each class, and one alone.

    Such are the numbers of classes beside their names. frame: n training rows; labels (n,) in [0, classes).
    """
    found = {}
    first = {int(label): row for row, label in reversed(list(enumerate(labels)))}
    for name in frame.columns:
        cells = [to_text(cell) for cell in to_scalars(frame[name])] if name not in leave_out else []
        words = [cells[first[number]] for number in range(classes)] if cells and len(first) == classes else []
        texts = [word for word in words if word is not None]
        if texts and len(set(texts)) == classes and all(map(eq, cells, [words[label] for label in labels])):
            found[str(name)] = texts
    return found


def spelling_of(words: Collection[str], ways: Sequence[Spelling]) -> Spelling | None:
    """The first way that writes all these words."""
    return next((way for way in ways if set(words) <= set(way.words)), None)


def _numbers(classes: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Classes that are whole numbers, as numbers without and with a decimal."""
    numbers = [_whole(name) for name in classes]
    whole = [number for number in numbers if number is not None]
    if len(whole) == len(numbers) == len(set(whole)):
        yield tuple(str(number) for number in whole)
        yield tuple(f"{number}.0" for number in whole)


def _whole(name: str) -> int | None:
    try:
        value = float(name)
    except ValueError:
        return None
    return int(value) if value.is_integer() else None


def _is_truth(classes: Sequence[str]) -> bool:
    return tuple(classes) == ("0", "1") or tuple(classes) in _TRUTH

"""Which columns are the target: told by the user, by the sample submission, or by the data.

Where two could be it, the user is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from orchestrator.core.errors import InputError
from orchestrator.core.text import composed, shortened, suggestion
from orchestrator.tune.first_space.facts import ON, Asked, Column, Facts
from orchestrator.tune.first_space.names import ends_as_target, says_no_class, says_target
from orchestrator.tune.first_space.separated import separator_of

MOST_CLASSES = 10_000
MOST_NUMBERS = 30  # distinct numbers from which a column looks like a measurement
_SHOWN = 8  # candidates in a question
MOST_FRACTIONS = 11  # the same, where some of them are no whole numbers: grades may go by halves


def target_columns(facts: Facts, asked: Asked) -> tuple[tuple[str, ...], str]:
    """The columns, and who says so; none at all: the layout's own target."""
    if asked.target is not None:
        return asked.target, "--target says so"
    by_template = _by_template(facts)
    if by_template:
        assert facts.template is not None
        return by_template, f"{facts.template.path} asks for it"
    if facts.layout_target is not None:
        return (), "the layout says so"
    return _only_candidate(facts)


def _by_template(facts: Facts) -> tuple[str, ...]:
    """The training table's columns that the sample submission asks for."""
    if facts.template is None:
        return ()
    answers = [column.name for column in facts.template.answers]
    if answers and all(facts.column(name) is not None for name in answers):
        return tuple(answers)
    wanted = {_plain(name) for name in answers}
    named = [c.name for c in facts.columns if len(wanted) > 1 and {_plain(v) for v in c.counts} == wanted]
    if not named and len(answers) == 1:
        words = _words(facts.template.answers[0])
        named = [column.name for column in facts.columns if words and words <= column.counts.keys()]
    return tuple(named) if len(named) == 1 else ()


def _words(answer: Column) -> set[str]:
    """What stands in a sample submission, alone or several to a cell; none where it is numbers, or one word:
    such may be in any column."""
    words = {word for cell in answer.counts for word in cell.split()}
    return words if len(words) > 1 and answer.numbers is None else set()


def _plain(text: str) -> str:
    return text.strip().casefold()


def _only_candidate(facts: Facts) -> tuple[tuple[str, ...], str]:
    flags = tuple(column.name for column in facts.columns if column.is_flag and column.varies)
    signs = tuple(column.name for column in facts.columns if column.is_sign)
    flags, digits = (signs, "-1 and 1") if len(signs) > max(len(flags), 1) else (flags, "0 and 1")
    singles = [
        c for c in facts.columns if _may_be_target(c, facts) and not (len(flags) > 1 and c.name in flags)
    ]
    named = [column for column in singles if says_target(column.name)]
    named = named or [column for column in singles if ends_as_target(column.name)]
    if len(flags) > 2 and not named:
        return flags, f"they are the {len(flags)} columns of {digits}"
    candidates = named or singles
    if len(candidates) > 1 and _same_rows(candidates):
        words = [column for column in candidates if column.numbers is None]
        candidates = (words or candidates)[:1]
    if len(candidates) == 1 and not (flags and len(flags) > 1 and not named):
        column = candidates[0]
        why = (
            "its name says so"
            if named
            else f"it is the only column whose values can be classes{_measured(facts)}"
        )
        return (column.name,), why
    if len(flags) == 2 and not candidates and sum_to_one([known_column(facts, name) for name in flags]):
        return flags, "they are the 2 columns of 0 and 1"
    raise InputError(_question(facts, candidates, flags))


def _may_be_target(column: Column, facts: Facts) -> bool:
    """Whether its values repeat as classes do; an identity, a measurement and a constant are no classes."""
    repeats = len(column.counts) <= column.present // 2 or _names_folders(column, facts)
    several = 2 <= len(column.counts) <= MOST_CLASSES and repeats
    numbers = column.numbers or ()
    whole = all(number.is_integer() for number in numbers)
    measured = len(numbers) > (MOST_NUMBERS if whole else MOST_FRACTIONS)
    labels = separator_of(column) is not None
    other = says_no_class(column.name) or column.name == facts.group_column
    return not other and (labels or (several and not measured))


def _names_folders(column: Column, facts: Facts) -> bool:
    """Whether a column called label, or alike, is each image's folder: no identity, even of few."""
    if not says_target(column.name):
        return False
    folders = [PurePosixPath(composed(path)).parts[:-1] for path in facts.paths]
    return bool(folders) and all(cell in names for cell, names in zip(column.cells, folders, strict=True))


def _measured(facts: Facts) -> str:
    """Of the columns of many numbers that do not name the images: one of them may be what is meant."""
    found = [
        c.name for c in facts.columns if len(c.numbers or ()) > MOST_NUMBERS and not _names_images(c, facts)
    ]
    many = (
        f"; {shortened(found)}: many different numbers, and predicting a number (regression) is not supported"
    )
    return many if found else ""


def _names_images(column: Column, facts: Facts) -> bool:
    names = [PurePosixPath(path) for path in facts.paths]
    return bool(names) and all(
        cell in (name.name, name.stem, str(name)) for cell, name in zip(column.cells, names, strict=True)
    )


def _same_rows(columns: Sequence[Column]) -> bool:
    """Whether the columns are names for the same classes: class_id and class_name."""
    pairs = set(zip(*(column.cells for column in columns), strict=True))
    return all(len(pairs) == len(set(column.cells)) for column in columns)


def _question(facts: Facts, candidates: Sequence[Column], flags: Sequence[str]) -> str:
    found = [f"{column.name} ({_values_of(column)})" for column in candidates]
    if len(flags) > 1:
        found.append(f"{','.join(flags)} (columns of 0 and 1)")
    if not found:
        names = ", ".join(column.name for column in facts.columns) or "none but the images' names"
        return (
            f"{facts.source}: no column looks like a target, whose values are classes that repeat; it has "
            f"{names}; say which it is with --target COLUMN{_measured(facts)}"
        )
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    first = candidates[0].name if candidates else ",".join(flags)
    return (
        f"{facts.source}: {len(found)} columns could be the target: {'; '.join(found[:_SHOWN])}{more}; "
        f"say which with --target, such as --target {_quoted(first)}"
    )


def _quoted(text: str) -> str:
    return f"'{text}'" if " " in text else text


def _values_of(column: Column) -> str:
    return f"{len(column.counts)} values: {shortened(list(column.counts), 4)}"


def known_column(facts: Facts, name: str) -> Column:
    column = facts.column(name)
    if column is None:
        names = [column.name for column in facts.columns]
        raise InputError(
            f"--target {name}: {facts.source} has no such column; it has {', '.join(names)}"
            f"{suggestion(name, names)}"
        )
    return column


def refuse_empty(columns: Sequence[Column], facts: Facts) -> None:
    for column in columns:
        if not column.present:
            raise InputError(f"{facts.source}: column {column.name!r}, the target, is empty in every row")


def sum_to_one(columns: Sequence[Column]) -> bool:
    rows = zip(*(column.cells for column in columns), strict=True)
    return all(sum(cell in ON for cell in row) == 1 for row in rows)

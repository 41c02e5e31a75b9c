"""The target as the space file writes it: of what kind its columns are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from orchestrator.core.errors import InputError
from orchestrator.core.text import shortened
from orchestrator.data.targets import Target
from orchestrator.tune.first_space.candidates import (
    MOST_NUMBERS,
    known_column,
    refuse_empty,
    sum_to_one,
    target_columns,
)
from orchestrator.tune.first_space.facts import ON, Asked, Column, Facts, sort_key
from orchestrator.tune.first_space.names import quote
from orchestrator.tune.first_space.separated import labels_of, separator_of
from orchestrator.tune.first_space.target_code import code_of

POSITIVE = ("1", "true", "yes", "positive", "malignant", "abnormal", "present", "defect", "sick", "ill")

CLASSES, BINARY, ONE_HOT, MULTI_LABEL, JOINT = "classes", "binary", "one_hot", "multi_label", "joint"


@dataclass(frozen=True)
class TargetGuess:
    """A target as the space file writes it."""

    kind: str  # CLASSES, BINARY, ONE_HOT, MULTI_LABEL or JOINT
    code: str  # such as categorical("label")
    columns: tuple[str, ...]
    counts: dict[str, int]  # rows of each class, or of each label
    members: tuple[tuple[str, ...], ...]  # of each row: its class or labels; () where it has none
    said_by: str  # "--target", "the sample submission ...", or what made it the only candidate
    notes: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def several_labels(self) -> bool:
        return self.kind == MULTI_LABEL


def guess_target(facts: Facts, asked: Asked) -> TargetGuess:
    """Raises InputError where no column, or more than one, could be the target."""
    names, said_by = target_columns(facts, asked)
    if not names:
        assert facts.layout_target is not None
        return _of_layout(facts, facts.layout_target)
    columns = [known_column(facts, name) for name in names]
    refuse_empty(columns, facts)
    if len(columns) > 1:
        return _flags(columns, said_by)
    return _single(columns[0], facts, asked, said_by)


def _single(column: Column, facts: Facts, asked: Asked, said_by: str) -> TargetGuess:
    separator = separator_of(column)
    if separator is not None:
        return _separated(column, separator, said_by)
    _refuse_measurement(column, facts)
    if len(column.counts) == 2 and (positive := _positive(column, facts)) is not None:
        return _binary(column, positive, said_by)
    return _categorical(column, facts, asked, said_by)


def _refuse_measurement(column: Column, facts: Facts) -> None:
    if len(column.counts) < 2:
        raise InputError(
            f"{facts.source}: column {column.name!r} has one value in every row, "
            f"{next(iter(column.counts))!r}; a target needs two classes at least"
        )
    numbers = column.numbers
    if numbers is not None and len(numbers) > MOST_NUMBERS and len(numbers) * 2 > column.present:
        raise InputError(
            f"{facts.source}: column {column.name!r} has {len(numbers)} different numbers in "
            f"{column.present} rows; predicting a number (regression) is not supported; cut it into ordered "
            f"classes in a space of your own: target=age_bins([10, 20], column={column.name!r})"
        )


def _positive(column: Column, facts: Facts) -> str | None:
    """The value that is the positive class; None where neither is more so than the other."""
    answers = [answer.name for answer in facts.template.answers] if facts.template else []
    by_template = [v for v in column.counts if len(answers) == 1 and v in answers and v != column.name]
    known = [value for value in column.counts if value.casefold() in POSITIVE]
    found = by_template or known
    return found[0] if len(found) == 1 else None


def _binary(column: Column, positive: str, said_by: str) -> TargetGuess:
    [negative] = [value for value in column.counts if value != positive]
    literal = positive if positive.isdecimal() else f'"{positive}"'
    return TargetGuess(
        BINARY,
        f"binary({quote(column.name)}, positive={literal}{_missing(column)})",
        (column.name,),
        {negative: column.counts[negative], positive: column.counts[positive]},
        _own(column),
        said_by,
        (f"The positive class is {positive}.", *_missing_notes(column)),
    )


def _categorical(column: Column, facts: Facts, asked: Asked, said_by: str) -> TargetGuess:
    named = facts.class_names(column.counts)
    ordered = asked.metric == "quadratic_weighted_kappa"
    if ordered:
        _refuse_words(column, asked)
    notes = [*_missing_notes(column), *_binary_notes(column, facts), *_number_notes(column)]
    if set(column.counts) == {"-1", "0", "1"}:
        notes.append("If -1 stands for uncertain, it is no class: make it 0, 1 or empty in the table first.")
    if named is not None:
        file, names = named
        notes.append(f"{file} names them: {shortened([f'{value} is {names[value]}' for value in names], 4)}.")
    if ordered:
        notes.append("The classes are ordered, as the metric asks; losses such as sord and corn use that.")
    elif named is None and _are_grades(column):
        notes.append(
            f"If they are grades that rise from {next(iter(column.counts))}, write "
            f"categorical({quote(column.name)}, ordered=True); quadratic_weighted_kappa judges such classes."
        )
    order = ", ordered=True" if ordered else ""
    code = f"categorical({quote(column.name)}{order}{_missing(column)})"
    return TargetGuess(
        CLASSES, code, (column.name,), dict(column.counts), _own(column), said_by, tuple(notes), ordered
    )


def _number_notes(column: Column) -> list[str]:
    """Many different numbers were asked for as classes: ages, say, or numbers of products."""
    numbers = column.numbers or ()
    if len(numbers) <= MOST_NUMBERS:
        return []
    edges = [f"{numbers[len(numbers) * part // 3]:g}" for part in (1, 2)]
    return [
        f"If these numbers measure something, cut them into ordered classes: "
        f"age_bins([{', '.join(edges)}], column={quote(column.name)}, name={quote(column.name)})."
    ]


def _binary_notes(column: Column, facts: Facts) -> list[str]:
    """Two classes in words and a sample submission in numbers: of which class is the probability?"""
    answers = () if facts.template is None else facts.template.answers
    in_words = len(column.counts) == 2 and column.numbers is None
    if not in_words or len(answers) != 1 or answers[0].numbers is None:
        return []
    first, second = map(quote, column.counts)
    return [
        f"The sample submission has numbers. If they are the probability of one class, write "
        f"binary({quote(column.name)}, positive={second}) or positive={first}, and metric={quote('roc_auc')}."
    ]


def _refuse_words(column: Column, asked: Asked) -> None:
    """Numbers have an order of their own; that of words is nobody's to guess."""
    if column.numbers is None:
        known = list(column.counts)
        raise InputError(
            f"--metric {asked.metric} needs an order, and that of {shortened(known)} is not known; "
            "leave --metric out, then write them in their order into the space: "
            f"target=categorical({quote(column.name)}, [{', '.join(map(quote, known))}], ordered=True)"
        )


def _are_grades(column: Column) -> bool:
    """Few numbers in equal steps from 0 or 1: 0, 1, 2 or 1, 1.5, 2."""
    numbers = column.numbers or ()
    steps = {high - low for low, high in pairwise(numbers)}
    return 3 <= len(numbers) <= 11 and len(steps) == 1 and steps <= {0.5, 1.0} and numbers[0] in (0.0, 1.0)


def _separated(column: Column, separator: str, said_by: str) -> TargetGuess:
    members = tuple(labels_of(cell, separator) for cell in column.cells)
    notes = (f"Labels in a row are separated by {separator!r}.", *_blank_notes(column.missing))
    code = f"multi_label({quote(column.name)}, sep={quote(separator)}{_negative(column.missing)})"
    return TargetGuess(MULTI_LABEL, code, (column.name,), _counted(members), members, said_by, notes)


def _flags(columns: Sequence[Column], said_by: str) -> TargetGuess:
    signs = all(column.is_sign for column in columns)
    odd = next((column for column in columns if not (signs or column.is_flag)), None)
    if odd is not None:
        rule = (
            "-1, which some tables write for uncertain, has to be made 0, 1 or empty first"
            if "-1" in odd.counts
            else "name one column, or others, with --target"
        )
        raise InputError(
            f"column {odd.name!r} is one of {len(columns)} target columns and holds "
            f"{shortened(list(odd.counts), 4)}; columns of labels hold 0 and 1; {rule}"
        )
    names = tuple(column.name for column in columns)
    cells = zip(*(column.cells for column in columns), strict=True)
    members = tuple(tuple(name for name, cell in zip(names, row, strict=True) if cell in ON) for row in cells)
    listed = f"[{', '.join(quote(name) for name in names)}]"
    missing = sum(column.missing for column in columns)
    if not missing and sum_to_one(columns):
        kind, code = ONE_HOT, f"one_hot({listed})"
    else:
        kind, code = MULTI_LABEL, f"multi_label({listed}{_negative(missing)})"
    notes = (
        _blank_notes(missing) if kind == MULTI_LABEL else ("Exactly one of the columns is 1 in each row.",)
    )
    return TargetGuess(kind, code, names, _counted(members, names), members, said_by, notes)


def _of_layout(facts: Facts, target: Target) -> TargetGuess:
    columns = {name: facts.column(name) for name in target.columns}
    names = tuple(name for name, column in columns.items() if column is not None)
    return TargetGuess(JOINT, code_of(target), names, {}, (), "the layout says so")


def _own(column: Column) -> tuple[tuple[str, ...], ...]:
    return tuple(() if cell is None else (cell,) for cell in column.cells)


def _counted(members: Sequence[Sequence[str]], names: Sequence[str] = ()) -> dict[str, int]:
    found = Counter(label for row in members for label in row)
    return {name: found[name] for name in names or sorted(found, key=sort_key)}


def _negative(missing: int) -> str:
    return ', missing="negative"' if missing else ""


def _missing(column: Column) -> str:
    return ', missing="drop"' if column.missing else ""


def _missing_notes(column: Column) -> tuple[str, ...]:
    if not column.missing:
        return ()
    rows, them = ("1 row has", "it") if column.missing == 1 else (f"{column.missing} rows have", "them")
    return (f'{rows} no label: "drop" leaves {them} out, "error" would refuse {them}.',)


def _blank_notes(missing: int) -> tuple[str, ...]:
    if not missing:
        return ()
    return (
        f'{missing} cells are empty; "negative" takes them for no label, as reports that only mention '
        'findings mean them; "drop" leaves their rows out.',
    )

"""Which rows belong together, how many folds the rarest class allows, and which classes are too rare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.core.text import counted, shortened
from orchestrator.data.group_words import says_group
from orchestrator.tune.first_space.facts import Column, Facts
from orchestrator.tune.first_space.names import quote
from orchestrator.tune.first_space.target_guess import TargetGuess

USUAL_FOLDS = 5
LEAST_GROUPS = 4  # fewer cannot give folds whose scores mean anything


@dataclass(frozen=True)
class GroupGuess:
    column: str | None  # of the space's group=; None: the data's own, or each image by itself
    own: str | None  # what the data themselves are grouped by, if anything
    folds: int
    notes: tuple[str, ...]  # about the groups
    fold_notes: tuple[str, ...]
    refused: bool  # whether a class has fewer groups than there are folds, so that it has to be left out


def guess_groups(facts: Facts, target: TargetGuess) -> GroupGuess:
    columns = [column for column in facts.columns if column.name not in target.columns]
    named = sorted((c for c in columns if says_group(c.name) and _repeats(c)), key=lambda c: len(c.counts))
    usable = [column for column in named if not column.missing and len(column.counts) >= LEAST_GROUPS]
    chosen = _chosen(facts, usable)
    notes = _group_notes(facts, chosen, named, columns)
    groups = _group_of_rows(facts, chosen)
    per_class = _groups_per_class(target, groups)
    least = min((count for count in per_class.values() if count), default=USUAL_FOLDS)
    folds = min(USUAL_FOLDS, max(least, 2))
    refused = any(count < folds for count in per_class.values())
    return GroupGuess(
        chosen, facts.group_column, folds, notes, _fold_notes(target, per_class, folds), refused
    )


def with_folds(guess: GroupGuess, folds: int) -> GroupGuess:
    """With fewer folds than the rarest class alone would allow."""
    note = f"{folds} folds are the most that have every class in each of them, as the groups lie."
    return replace(guess, folds=folds, fold_notes=(*guess.fold_notes, note))


def _repeats(column: Column) -> bool:
    return 1 < len(column.counts) < column.present


def _chosen(facts: Facts, usable: Sequence[Column]) -> str | None:
    """The coarsest of the columns that say who belongs together; the data's own group needs no word."""
    if facts.group_column is not None or not usable:
        return None
    return usable[0].name


def _group_notes(
    facts: Facts, chosen: str | None, named: Sequence[Column], columns: Sequence[Column]
) -> tuple[str, ...]:
    others = [column.name for column in named if column.name not in (chosen, facts.group_column)]
    more = (f"Columns that could group the rows as well: {shortened(others, 6)}.",) if others else ()
    if facts.group_column is not None:
        return (f"The data's own column {facts.group_column} groups the rows.", *more)
    if chosen is not None:
        column = next(column for column in named if column.name == chosen)
        return (
            f"{counted(len(column.counts), 'group')} in {column.present} rows. Rows of one group look alike: "
            f"without group={quote(chosen)}",
            "they would lie on both sides of a fold, and the validation score would be too good.",
            *more,
        )
    looks = [column.name for column in columns if column not in named and _looks_like_identities(column)]
    maybe = [f"Values of {shortened(looks, 6)} repeat like identities."] if looks else []
    maybe += [
        f"The images lie in {len(folder.counts)} folders such as {next(iter(folder.counts))}, which look "
        "like identities: --group-pattern takes the group of each row from its path."
        for folder in _folders(facts.paths)
        if _looks_like_identities(folder)
    ][:1]
    return (
        "No column says which rows belong together, so each image counts by itself. If several show one",
        'patient, plant or object, name the column that tells: group="patient_id".',
        *more,
        *maybe,
    )


def _folders(paths: Sequence[str]) -> list[Column]:
    """The folders of the images, the outermost first; images that lie less deep have none."""
    parts = [path.split("/")[:-1] for path in paths]
    deepest = max(map(len, parts), default=0)
    levels = [tuple(part[at] if at < len(part) else None for part in parts) for at in range(deepest)]
    return [Column(f"folder {at}", cells) for at, cells in enumerate(levels)]


def _looks_like_identities(column: Column) -> bool:
    """Many values, a few rows each, with digits in them as codes have."""
    many = len(column.counts) >= 10 and 1.2 <= column.present / len(column.counts) <= 200
    return many and column.numbers is None and all(any(map(str.isdigit, value)) for value in column.counts)


def _group_of_rows(facts: Facts, chosen: str | None) -> tuple[str | None, ...]:
    name = chosen or facts.group_column
    column = facts.column(name) if name is not None else None
    if column is not None:
        return column.cells
    return tuple(map(str, range(facts.rows)))


def _groups_per_class(target: TargetGuess, groups: Sequence[str | None]) -> dict[str, int]:
    found: dict[str, set[str | None]] = {name: set() for name in target.counts}
    for labels, group in zip(target.members, groups, strict=False):
        for label in labels:
            found[label].add(group)
    return {name: len(those) for name, those in found.items()}


def _fold_notes(target: TargetGuess, per_class: Mapping[str, int], folds: int) -> tuple[str, ...]:
    rare = sorted((n for n in per_class if per_class[n] < USUAL_FOLDS), key=lambda name: per_class[name])
    if not rare:
        return ()
    word = "label" if target.several_labels else "class"
    shown = shortened([f"{name} ({counted(per_class[name], 'group')})" for name in rare], 4)
    kinds = counted(len(rare), word, "classes" if word == "class" else "labels")
    lines = [f"{kinds} in fewer groups than {USUAL_FOLDS} folds need: {shown}."]
    if per_class[rare[0]] < folds:
        lines.append(
            f"With {folds} folds that is refused: add --drop-rare {folds} (leave those rows out) or "
            "--rare-as other to the command."
        )
    else:
        lines.append(
            f"--drop-rare {USUAL_FOLDS} (leave those rows out) or --rare-as other would allow "
            f"{USUAL_FOLDS} folds."
        )
    return tuple(lines)

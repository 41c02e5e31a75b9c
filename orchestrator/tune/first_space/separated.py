"""Cells that hold several labels: "rust scab", "Effusion|Nodule"."""

from __future__ import annotations

from orchestrator.tune.first_space.facts import Column

SEPARATORS = ("|", ";", ",", " ")
LEAST_ALONE = 0.5  # share of the labels in company that another row has alone
LEAST_SETS = 8  # cells from which few labels in many sets are told from names of several words


def separator_of(column: Column) -> str | None:
    """What stands between labels; None where a cell is one class, however many words its name has."""
    return next((mark for mark in SEPARATORS if _separates(column, mark)), None)


def labels_of(cell: str | None, separator: str) -> tuple[str, ...]:
    """The labels of a cell, each once."""
    parts = (part.strip() for part in (cell or "").split(separator))
    return tuple(dict.fromkeys(part for part in parts if part))


def _separates(column: Column, mark: str) -> bool:
    """Labels stand alone in some rows, or few of them make many sets; words of one name do neither."""
    rows = [labels_of(value, mark) for value in column.counts]
    joined = [labels for labels in rows if len(labels) > 1]
    if not joined:
        return False
    alone = {labels[0] for labels in rows if len(labels) == 1}
    among = {label for labels in joined for label in labels}
    known = alone | among
    if 2 * len(known) > column.present:
        return False
    found_alone = len(alone) > 1 and len(alone & among) >= LEAST_ALONE * len(among)
    return found_alone or (len(rows) >= LEAST_SETS and 2 * len(known) <= len(rows))

"""Lines of a screen from parts of text: columns that fit a width whole or are left out, words never broken.

Pure, and quicker than tables that measure themselves: it is done several times a second for hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len, chop_cells

GAP = 2  # cells between columns


class Part(NamedTuple):
    """Text in one style, safe to print."""

    text: str
    style: str = ""


Line = tuple[Part, ...]
BLANK: Line = ()


@dataclass(frozen=True)
class Column:
    """keep: columns with less go first where the width is short. wraps: takes what is left, cut at a word."""

    title: str
    keep: int = 0
    right: bool = False
    least: int = 0  # cells
    takes_rest: bool = False


def line(text: str, style: str = "") -> Line:
    return (Part(text, style),)


def width_of(parts: Sequence[Part]) -> int:
    return sum(cell_len(part.text) for part in parts)


def cut(text: str, width: int) -> str:
    """At most `width` cells, cut behind a word where one ends in the second half of what fits."""
    if cell_len(text) <= width:
        return text
    if width < 2:
        return "…" if width == 1 else ""
    fits = chop_cells(text, width - 1)[0]
    at_word = fits if text[len(fits) : len(fits) + 1] == " " else fits.rpartition(" ")[0]
    short = at_word if len(at_word) > len(fits) // 2 else fits
    return f"{short.rstrip(' ,;:(')}…"


def fit_line(parts: Sequence[Part], width: int) -> Line:
    """Cut where it doesn't fit."""
    left, kept = width, []
    for part in parts:
        if left <= 0:
            break
        short = cut(part.text, left)
        kept.append(Part(short, part.style))
        left -= cell_len(short)
        if short != part.text:
            break
    return tuple(kept)


def beside(left: Sequence[Part], right: Sequence[Part], width: int) -> Line:
    """left at the left, right at the right end; left is cut where both do not fit."""
    room = width - width_of(right) - GAP
    if room < 1:
        return fit_line(left, width)
    short = fit_line(left, room)
    return (*short, Part(" " * (width - width_of(short) - width_of(right))), *right)


def table(columns: Sequence[Column], rows: Sequence[Sequence[Sequence[Part]]], width: int) -> list[Line]:
    """A title line and a line a row. rows: a cell, which is parts, for each column, or fewer."""
    widths = [
        max([cell_len(column.title), column.least, *(width_of(row[at]) for row in rows if at < len(row))])
        for at, column in enumerate(columns)
    ]
    shown = _that_fit(columns, widths, width)
    if shown and columns[shown[-1]].takes_rest:
        others = sum(widths[at] + GAP for at in shown[:-1])
        widths[shown[-1]] = min(widths[shown[-1]], width - others)
    titles = [[Part(column.title, "bold")] for column in columns]
    return [_row(columns, cells, widths, shown) for cells in (titles, *rows)]


def _that_fit(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    shown = list(range(len(columns)))
    while len(shown) > 1:
        needed = sum(_needed(columns[at], widths[at]) for at in shown) + GAP * (len(shown) - 1)
        if needed <= width:
            break
        shown.remove(min(shown, key=lambda at: (columns[at].keep, -at)))
    return shown


def _needed(column: Column, width: int) -> int:
    return min(width, max(column.least, 12)) if column.takes_rest else width


def _row(
    columns: Sequence[Column], cells: Sequence[Sequence[Part]], widths: Sequence[int], shown: Sequence[int]
) -> Line:
    parts: list[Part] = []
    gap = 0
    for at in shown:
        cell = fit_line(cells[at], widths[at]) if at < len(cells) else ()
        room = widths[at] - width_of(cell)
        before, after = (room, 0) if columns[at].right else (0, room)
        if cell:
            if gap + before:
                parts.append(Part(" " * (gap + before)))
            parts += cell
            gap = after + GAP
        else:
            gap += widths[at] + GAP
    return tuple(parts)

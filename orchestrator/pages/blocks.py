"""What a page is made of. Pure records; texts in them may come from data and are cleaned where shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.finding import Finding

Cell = str | int | float
"""Of a table. A float is shown with three decimals, and as a number it stands to the right."""


def cell_text(cell: Cell) -> str:
    """As it is shown: whole numbers as they are, others with three decimals, one below the other."""
    return f"{cell:z.3f}" if isinstance(cell, float) else str(cell)


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""  # a sentence below it
    in_terminal: bool = True  # else in the page and the JSON alone


@dataclass(frozen=True)
class Pictures:
    """Images of rows. Those of one set stand side by side, such as an image and its copy."""

    title: str
    sets: tuple[tuple[int, ...], ...]  # row numbers
    note: str = ""
    heads: tuple[str, ...] = ()  # one line above each set; () has none


Block = Table | Pictures


@dataclass(frozen=True)
class PageSection:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """Findings come first, each with the pictures of its evidence, then the sections."""

    title: str
    lines: tuple[str, ...]  # what was looked at, and how
    findings: tuple[Finding, ...]
    sections: tuple[PageSection, ...]
    caption: Callable[[int], tuple[str, ...]]  # of a row: its path, then what else is known of it

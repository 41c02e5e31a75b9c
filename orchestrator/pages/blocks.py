"""What a page is made of. Pure records; texts in them may come from data and are cleaned where shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core.finding import Finding
from orchestrator.pages.figures import Figure, Trial


class Quantity(float):
    """A number in a table that is shown as a text of its own and sorted as the number: 3e-05, 12 min, 84%."""

    text: str

    def __new__(cls, value: float, text: str) -> Quantity:
        made = super().__new__(cls, value)
        made.text = text
        return made

    def __reduce__(self) -> tuple[type[Quantity], tuple[float, str]]:  # for copies
        return Quantity, (float(self), self.text)


Cell = str | int | float
"""Of a table. A float is shown with three decimals, and as a number it stands to the right."""


def cell_text(cell: Cell) -> str:
    """As it is shown: whole numbers as they are, others with three decimals, one below the other."""
    if isinstance(cell, Quantity):
        return cell.text
    return f"{cell:z.3f}" if isinstance(cell, float) else str(cell)


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""  # a sentence below it
    in_terminal: bool = True  # else in the page and the JSON alone
    trials: Sequence[Trial] = ()  # of each row; () where rows are no trials


@dataclass(frozen=True)
class Pictures:
    """Images of rows. Those of one set stand side by side, such as an image and its copy."""

    title: str
    sets: tuple[tuple[int, ...], ...]  # row numbers
    note: str = ""
    heads: tuple[str, ...] = ()  # one line above each set; () has none


@dataclass(frozen=True)
class Link:
    """To a place of the same page: the anchor of a section, or a trial to highlight."""

    text: str
    anchor: str = ""
    trial: Trial = None


Sentence = str | tuple[str | Link, ...]
"""Plain text, or plain text and links one after the other. No HTML."""


@dataclass(frozen=True)
class Text:
    paragraphs: Sequence[Sentence] = ()
    items: Sequence[Sentence] = ()  # a list below them
    title: str = ""
    lead: bool = False  # the answer to the section's question: larger


@dataclass(frozen=True)
class Code:
    """A command to copy, or anything else whose spaces and line ends count."""

    text: str
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Findings:
    """Findings with the pictures of their evidence, as at the head of a page; for a section of its own.

    brief: one line each, with a link to where the page tells all of it. see: of a code, where the page shows
    more of what it is about.
    """

    findings: Sequence[Finding]
    title: str = ""
    brief: bool = False
    see: Mapping[str, Link] = field(default_factory=dict)


@dataclass(frozen=True)
class Columns:
    """Blocks of several studies side by side; one below the other where the screen is narrow."""

    heads: Sequence[str]
    columns: Sequence[Sequence[Block]]

    def __post_init__(self) -> None:
        if len(self.heads) != len(self.columns):
            raise ValueError(f"{len(self.heads)} heads for {len(self.columns)} columns; give equally many")


Block = Table | Pictures | Text | Code | Findings | Columns | Figure


BESIDE = "the JSON beside this page lists all"
"""Of a page that has such a file."""


@dataclass(frozen=True)
class PageSection:
    title: str
    blocks: tuple[Block, ...]
    question: str = ""  # the one sentence that it answers
    anchor: str = ""  # of links to it; "" makes one of the title


@dataclass(frozen=True)
class Page:
    """Findings come first, each with the pictures of its evidence, then the sections."""

    title: str
    lines: tuple[str, ...]  # what was looked at, and how
    findings: tuple[Finding, ...]
    sections: tuple[PageSection, ...]
    caption: Callable[[int], tuple[str, ...]]  # of a row: its path, then what else is known of it
    script: bool = False  # sorting, filtering, highlighting and a button for light and dark; else no script
    all_evidence: str = ""  # where all of a finding's evidence is listed, as the end of a sentence

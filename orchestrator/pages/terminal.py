"""Tables and numbered findings in a terminal of 80 columns or more, which cleans what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from orchestrator.cli.finding_marks import STYLES, arrow, mark
from orchestrator.core.finding import Finding, Level
from orchestrator.core.text import counted, on_one_line
from orchestrator.pages.blocks import Block, Table, cell_text

ROWS, COLUMNS = 12, 8
"""Of a table in a terminal at most; the page has all of them."""


def print_tables(blocks: Iterable[Block], console: Console) -> None:
    for block in blocks:
        if isinstance(block, Table) and block.in_terminal and block.rows:
            console.print(Text(f"\n{on_one_line(block.title)}", style="bold"))
            console.print(_table(block))
            note = " ".join(filter(None, (block.note, _left_out(block))))
            if note:
                console.print(Text(note, style="dim"))


def _table(block: Table) -> RichTable:
    made = RichTable(box=SIMPLE_HEAD, pad_edge=False)
    columns = block.columns[:COLUMNS]
    for index, name in enumerate(columns):
        is_number = all(not isinstance(cells[index], str) for cells in block.rows)
        made.add_column(Text(on_one_line(name)), justify="right" if is_number else "left", overflow="fold")
    for cells in block.rows[:ROWS]:
        made.add_row(*(Text(on_one_line(cell_text(cell))) for cell in cells[: len(columns)]))
    return made


def _left_out(block: Table) -> str:
    rows, columns = len(block.rows) - ROWS, len(block.columns) - COLUMNS
    parts = [
        counted(rows, "more row") if rows > 0 else "",
        counted(columns, "more column") if columns > 0 else "",
    ]
    left = " and ".join(filter(None, parts))
    return f"{left} in the page." if left else ""


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Numbered as in the page: mark, number, code, title; below it what was found, and the way out."""
    if not findings:
        return
    console.print()
    grid = RichTable.grid(padding=(0, 1))
    grid.add_column(width=3, justify="right")
    grid.add_column(overflow="fold")  # not cut: paths and commands are copied from here
    for number, finding in enumerate(findings, 1):
        text = Text(f"{finding.code} {finding.topic}\n", style=STYLES[finding.level])
        text.append(finding.found, style="not bold default")
        if finding.way_out:
            text.append(f"\n{arrow(console.encoding)} {finding.way_out}", style="default bold")
        grid.add_row(Text(f"{mark(finding.level, console.encoding)}{number}", STYLES[finding.level]), text)
    console.print(grid)


def findings_line(findings: Sequence[Finding]) -> str:
    """Such as "findings: 1 must be mended, 3 worth a look"."""
    blocking = sum(item.level is Level.BLOCKS for item in findings)
    odd = sum(item.level is Level.WARNING for item in findings)
    if not findings:
        return "findings: none"
    return f"findings: {blocking or 'none'} must be mended, {odd} worth a look"

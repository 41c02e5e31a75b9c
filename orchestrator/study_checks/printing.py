"""What the checks found, in a terminal: a line each, the most severe first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.finding_marks import STYLES, arrow, mark
from orchestrator.core.finding import Finding, Level
from orchestrator.core.text import counted, on_one_line

MOST = 6
"""Findings that are printed; the report has all of them."""


def print_found(findings: Sequence[Finding], console: Console) -> None:
    """Those that are worth a look, each with its way out; nothing where all is fine."""
    told = [item for item in findings if item.level is not Level.OK]
    if not told:
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(width=5)
    grid.add_column(overflow="fold")  # not cut: commands are copied from here
    for finding in told[:MOST]:
        style = STYLES[finding.level]
        text = Text(on_one_line(finding.found))
        if finding.way_out:
            text.append(f" {arrow(console.encoding)} {on_one_line(finding.way_out)}", style="bold")
        grid.add_row(Text(mark(finding.level, console.encoding), style), Text(finding.code, style), text)
    console.print(Text(_head(told)))
    console.print(grid)


def _head(told: Sequence[Finding]) -> str:
    blocking, odd, notes = (
        sum(item.level is level for item in told) for level in (Level.BLOCKS, Level.WARNING, Level.NOTE)
    )
    parts = [
        f"{blocking} must be mended" if blocking else "",
        f"{odd} worth a look" if odd else "",
        counted(notes, "note") if notes else "",
    ]
    more = f" (the first {MOST}; the report has all)" if len(told) > MOST else ""
    return f"checks: {', '.join(filter(None, parts))}{more}"

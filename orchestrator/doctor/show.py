"""Prints findings: a mark, the topic, what was found, and below it the way out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.finding_marks import STYLES, arrow, mark
from orchestrator.core.finding import Finding, Section


def show(section: Section, console: Console) -> None:
    console.print(Text(clean(section.title), style="bold"))
    console.print(_grid(section.findings, console.encoding))


def _grid(findings: Sequence[Finding], encoding: str) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=3, justify="right")
    grid.add_column(width=11)  # of the longest topic
    grid.add_column(overflow="fold")  # not cut: paths and commands are copied from here
    for finding in findings:
        text = Text(clean(finding.found))
        if finding.way_out:
            text.append(f"\n{arrow(encoding)} {clean(finding.way_out)}", style="bold")
        grid.add_row(
            Text(mark(finding.level, encoding), style=STYLES[finding.level]), Text(clean(finding.topic)), text
        )
    return grid


def clean(text: str) -> str:
    """Without control characters other than line ends: what a server says must not move the cursor."""
    lines = text.replace("\r", "\n").split("\n")
    return "\n".join("".join(char if char.isprintable() else " " for char in line).rstrip() for line in lines)

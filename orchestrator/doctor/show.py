"""Prints findings: a mark, the topic, what was found, and below it the way out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.core.finding import Finding, Level, Section

MARKS = {Level.OK: "✓", Level.WARNING: "!", Level.BLOCKS: "✗"}
# For a terminal whose encoding lacks these.
PLAIN = {Level.OK: "+", Level.WARNING: "!", Level.BLOCKS: "x"}
STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.BLOCKS: "bold red"}


def show(section: Section, console: Console) -> None:
    console.print(Text(clean(section.title), style="bold"))
    console.print(_grid(section.findings, console.encoding.lower().startswith("utf")))


def _grid(findings: Sequence[Finding], unicode: bool) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=3, justify="right")
    grid.add_column(width=11)  # of the longest topic
    grid.add_column(overflow="fold")  # not cut: paths and commands are copied from here
    for finding in findings:
        mark = (MARKS if unicode else PLAIN)[finding.level]
        text = Text(clean(finding.found))
        if finding.way_out:
            text.append(f"\n{'→' if unicode else '->'} {clean(finding.way_out)}", style="bold")
        grid.add_row(Text(mark, style=STYLES[finding.level]), Text(clean(finding.topic)), text)
    return grid


def clean(text: str) -> str:
    """Without control characters other than line ends: what a server says must not move the cursor."""
    lines = text.replace("\r", "\n").split("\n")
    return "\n".join("".join(char if char.isprintable() else " " for char in line).rstrip() for line in lines)

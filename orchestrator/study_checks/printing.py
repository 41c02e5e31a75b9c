"""What the checks found, in a terminal: a line each, the most severe first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from orchestrator.cli.finding_marks import STYLES, arrow, is_unicode, mark
from orchestrator.core.finding import Finding, Level
from orchestrator.core.text import counted, on_one_line

MOST = 6
"""Findings that are printed; the report has all of them."""


def print_found(findings: Sequence[Finding], console: Console) -> None:
    """Those that are worth a look; nothing where all is fine.

    On a screen each has one line as wide as it, with its way out where there is room; in a file or a pipe the
    line is as long as it takes.
    """
    told = [item for item in findings if item.level is not Level.OK]
    if not told:
        return
    console.print(Text(_head(told)), soft_wrap=True)
    for finding in told[:MOST]:
        head = f"{mark(finding.level, console.encoding)} {finding.code} "
        line = Text(head, style=STYLES[finding.level])
        line.append(_fitted(finding, console, len(head)), style="not bold default")
        console.print(line, soft_wrap=True)


def _fitted(finding: Finding, console: Console, before: int) -> str:
    """The longest form for which there is room; of the shortest as much as there is."""
    forms = list(_forms(finding, arrow(console.encoding)))
    if not console.is_terminal:
        return forms[0]
    room = max(console.width - before, 10)
    for form in forms:
        if cell_len(form) <= room:
            return form
    more = "…" if is_unicode(console.encoding) else "..."
    return set_cell_size(forms[-1], room - len(more)).rstrip() + more


def _forms(finding: Finding, leads_to: str) -> Iterator[str]:
    """The longest first: all that was found and the way out, then its first clause alone."""
    found, way_out = on_one_line(finding.found), on_one_line(finding.way_out)
    clause = found.split("; ")[0]
    if way_out:
        yield f"{found} {leads_to} {way_out}"
        yield f"{clause} {leads_to} {way_out}"
    yield found
    yield clause


def _head(told: Sequence[Finding]) -> str:
    blocking, odd, notes = (
        sum(item.level is level for item in told) for level in (Level.BLOCKS, Level.WARNING, Level.NOTE)
    )
    parts = [
        f"{blocking} must be mended" if blocking else "",
        f"{odd} worth a look" if odd else "",
        counted(notes, "note") if notes else "",
    ]
    more = f"the first {MOST} of {len(told)}; " if len(told) > MOST else ""
    return f"checks: {', '.join(filter(None, parts))} ({more}evidence and ways out are in the report)"

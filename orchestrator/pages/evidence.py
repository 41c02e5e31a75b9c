"""The pictures that a finding's evidence gives: pairs side by side, else rows one by one. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.finding import Finding
from orchestrator.pages.blocks import Page, Pictures

PAIRS, ROWS = 12, 24
"""Pictures of one finding at most."""


def pictures_of(finding: Finding) -> Pictures | None:
    """None where there is nothing to see."""
    sets: tuple[tuple[int, ...], ...] = finding.pairs or tuple((row,) for row in finding.rows)
    if not sets:
        return None
    shown = sets[: PAIRS if finding.pairs else ROWS]
    what = "pairs" if finding.pairs else "images"
    more = len(sets) - len(shown)
    note = f"{len(shown)} of {len(sets)} {what}; the JSON beside this page lists all." if more else ""
    return Pictures(finding.topic, shown, note)


def pictures_on(page: Page) -> Iterator[Pictures]:
    """In the order of the page: those of findings come first."""
    for finding in page.findings:
        found = pictures_of(finding)
        if found is not None:
            yield found
    for section in page.sections:
        yield from (block for block in section.blocks if isinstance(block, Pictures))


def rows_on(page: Page) -> tuple[int, ...]:
    """The rows whose pictures it shows, each once."""
    return tuple(dict.fromkeys(row for block in pictures_on(page) for rows in block.sets for row in rows))

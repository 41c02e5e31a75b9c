"""The pictures that a finding's evidence gives: pairs side by side, else rows one by one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.core.finding import Finding
from orchestrator.pages.blocks import Block, Columns, Findings, Page, Pictures

PAIRS, ROWS = 12, 24
"""Pictures of one finding at most."""


def pictures_of(finding: Finding, rest: str = "") -> Pictures | None:
    """None where there is nothing to see. rest: where all of it is listed, as the end of a sentence."""
    sets: tuple[tuple[int, ...], ...] = finding.pairs or tuple((row,) for row in finding.rows)
    if not sets:
        return None
    shown = sets[: PAIRS if finding.pairs else ROWS]
    what = "pairs" if finding.pairs else "images"
    more = len(sets) - len(shown)
    note = f"{len(shown)} of {len(sets)} {what}{f'; {rest}' if rest else ''}." if more else ""
    return Pictures(finding.topic, shown, note)


def pictures_on(page: Page) -> Iterator[Pictures]:
    """In the order of the page: those of findings at its head come first."""
    yield from _evidence(page.findings)
    for section in page.sections:
        yield from _pictures_in(section.blocks)


def _evidence(findings: Sequence[Finding]) -> Iterator[Pictures]:
    yield from (found for found in map(pictures_of, findings) if found is not None)


def _pictures_in(blocks: Sequence[Block]) -> Iterator[Pictures]:
    for block in blocks:
        if isinstance(block, Pictures):
            yield block
        elif isinstance(block, Findings) and not block.brief:
            yield from _evidence(block.findings)
        elif isinstance(block, Columns):
            for column in block.columns:
                yield from _pictures_in(column)


def rows_on(page: Page) -> tuple[int, ...]:
    """The rows whose pictures it shows, each once."""
    return tuple(dict.fromkeys(row for block in pictures_on(page) for rows in block.sets for row in rows))

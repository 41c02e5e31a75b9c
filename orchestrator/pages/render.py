"""A page as one HTML file without a script, from which no request leaves. The engine escapes every text."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from orchestrator.core.finding import Level
from orchestrator.core.text import shown
from orchestrator.pages.blocks import Page, Table, cell_text
from orchestrator.pages.evidence import pictures_of

WORDS = {
    Level.BLOCKS: "must be mended",
    Level.WARNING: "worth a look",
    Level.NOTE: "worth knowing",
    Level.OK: "fine",
}
_MOST_ROWS = 1000  # of a table


def render(page: Page, thumbnails: Mapping[int, str], version: str) -> str:
    """thumbnails: row -> data URI; a row without one is shown by its caption alone."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            thumbnails=thumbnails,
            version=version,
            words=WORDS,
            levels=[(level, sum(item.level is level for item in page.findings)) for level in WORDS],
            pictures_of=pictures_of,
            most_rows=_MOST_ROWS,
        )
    )


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("orchestrator.pages", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # What would turn the direction of writing misleads a reader of HTML too.
        finalize=lambda value: shown(value) if type(value) is str else value,
    )
    made.filters |= {"cell": cell_text, "is_number": lambda value: not isinstance(value, str)}
    made.tests["table"] = lambda block: isinstance(block, Table)
    return made

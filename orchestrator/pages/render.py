"""A page as one HTML file from which no request leaves. The engine escapes every text; a page has a script
only where it asks for one, and shows everything without it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import count

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from orchestrator.core.finding import Finding, Level
from orchestrator.core.text import shown
from orchestrator.pages.blocks import Block, Columns, Findings, Page, PageSection
from orchestrator.pages.evidence import pictures_of
from orchestrator.pages.figures import ScatterChart
from orchestrator.pages.svg.draw import data_table, draw, is_empty
from orchestrator.pages.table_rows import is_number_column, table_rows

WORDS = {
    Level.BLOCKS: "must be mended",
    Level.WARNING: "worth a look",
    Level.NOTE: "worth knowing",
    Level.OK: "fine",
}
"""Of each level, the gravest first."""


def render(page: Page, thumbnails: Mapping[int, str], version: str) -> str:
    """thumbnails: row -> data URI; a row without one is shown by its caption alone."""
    style, script = _style(), _template("page.js") if page.script else ""
    numbers = count(1)
    sections = _anchored(page.sections)
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            sections=sections,
            thumbnails=thumbnails,
            version=version,
            words=WORDS,
            levels=[(level, sum(item.level is level for item in page.findings)) for level in WORDS],
            has_findings_section=any(_has_findings(section.blocks) for section in sections),
            pictures_of=lambda finding: pictures_of(finding, page.all_evidence),
            next_finding=lambda: next(numbers),
            number_of=_numbers(page).get,
            style=Markup(style),  # ours
            script=Markup(script),  # ours
            policy=Markup(_policy(style, script)),  # ours, and read by people too
        )
    )


def _policy(style: str, script: str) -> str:
    """Only this very style and script run, only pictures within the file are shown; no request is allowed."""
    parts = ["default-src 'none'", "img-src data:", f"style-src '{_digest(style)}'"]
    parts += [f"script-src '{_digest(script)}'"] if script else []
    return "; ".join([*parts, "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def _template(name: str) -> str:
    return (files("orchestrator.pages") / "templates" / name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    return _environment().get_template("page.css").render()


def _anchored(sections: Sequence[PageSection]) -> list[PageSection]:
    """Each with an anchor of its own: the one that it names, else one made of its title."""
    taken: set[str] = {"findings", "content"}
    made = []
    for section in sections:
        anchor = section.anchor or _slug(section.title)
        while anchor in taken:
            anchor += "-"
        taken.add(anchor)
        made.append(replace(section, anchor=anchor))
    return made


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def _numbers(page: Page) -> dict[int, int]:
    """Identity of a finding that is told in full -> its number on the page."""
    told = [*page.findings, *(item for section in page.sections for item in _told(section.blocks))]
    numbers: dict[int, int] = {}
    for number, item in enumerate(told, 1):
        numbers.setdefault(id(item), number)
    return numbers


def _told(blocks: Sequence[Block]) -> Iterator[Finding]:
    for block in blocks:
        if isinstance(block, Findings) and not block.brief:
            yield from block.findings
        elif isinstance(block, Columns):
            yield from (item for column in block.columns for item in _told(column))


def _has_findings(blocks: Sequence[Block]) -> bool:
    return any(
        isinstance(block, Findings) or (isinstance(block, Columns) and any(map(_has_findings, block.columns)))
        for block in blocks
    )


def _runs(blocks: Sequence[Block]) -> list[list[Block]]:
    """Small charts that follow each other together, every other block alone."""
    runs: list[list[Block]] = []
    for block in blocks:
        if runs and _is_small(block) and _is_small(runs[-1][0]):
            runs[-1].append(block)
        else:
            runs.append([block])
    return runs


def _is_small(block: Block) -> bool:
    return isinstance(block, ScatterChart) and block.small


@cache
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
    made.filters |= {
        "data_table": data_table,
        "draw": draw,
        "identity": id,
        "is_empty": is_empty,
        "is_number_column": is_number_column,
        "is_small": _is_small,
        "kind": lambda block: type(block).__name__,
        "runs": _runs,
        "table_rows": table_rows,
    }
    return made

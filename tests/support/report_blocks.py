"""What tests of a report's sections read of its blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from orchestrator.pages.blocks import Block, Cell, Table, Text
from orchestrator.pages.thumbnails import ReadThumbnails
from orchestrator.report.context import ReportContext
from orchestrator.snapshot import take_snapshot

Kind = TypeVar("Kind")


def context_of(study: Path, images: ReadThumbnails | None = None, seed: int = 0) -> ReportContext:
    return ReportContext((take_snapshot(study),), ((),), images, seed)


def table(blocks: Iterable[Block], title: str) -> Table:
    """The one whose title begins so."""
    (found,) = [item for item in blocks if isinstance(item, Table) and item.title.startswith(title)]
    return found


def column(found: Table, name: str) -> list[Cell]:
    at = found.columns.index(name)
    return [row[at] for row in found.rows]


def only(blocks: Iterable[Block], kind: type[Kind], title: str = "") -> Kind:
    (found,) = [
        item for item in blocks if isinstance(item, kind) and getattr(item, "title", "").startswith(title)
    ]
    return found


def words(blocks: Sequence[Block]) -> str:
    """All sentences, one after the other."""
    texts = [item for item in blocks if isinstance(item, Text)]
    return " ".join(str(part) for item in texts for part in (*item.paragraphs, *item.items))

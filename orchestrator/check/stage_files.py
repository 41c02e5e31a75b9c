"""Files that cannot be read, and the kinds and sizes of those that can."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from orchestrator.check.look import Look
from orchestrator.check.stage_result import StageResult
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.text import shortened
from orchestrator.data.quality.overview import size_quantiles, text_counts
from orchestrator.pages.blocks import Cell, Table


def look_at_files(look: Look) -> StageResult:
    measures = look.measures
    own = measures.take(np.flatnonzero(measures.readable))
    sizes: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *(float(value) if "/" in name else round(value) for value in values))
        for name, values in size_quantiles(own.height, own.width).items()
    )
    kinds: tuple[tuple[Cell, ...], ...] = tuple(
        (what, text or "none", number)
        for what, texts in (("kind of file", own.kind), ("mode", own.mode), ("camera", own.camera))
        for text, number in text_counts(texts)
        if what != "camera" or own.camera.any()
    )
    tables = (
        Table("sizes in pixels", ("", "smallest", "5%", "median", "95%", "largest"), sizes),
        Table("kinds of files", ("", "which", "images"), kinds),
    )
    return StageResult(tuple(_unreadable(look)), tables)


def _unreadable(look: Look) -> Iterator[Finding]:
    errors = look.measures.errors
    rows = np.flatnonzero(errors != "")
    if len(rows):
        named = shortened([f"{look.paths[row]} ({errors[row]})" for row in rows.tolist()], 5)
        yield coded(
            "FO101",
            Level.BLOCKS,
            f"{len(rows)} of {len(look)} images cannot be read: {named}",
            f"replace these files or take their rows out (they lie under {look.manifest.root})",
            rows=rows,
        )

"""What the images are like, and which are unlike the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from orchestrator.check.look import Look
from orchestrator.check.stage_result import StageResult
from orchestrator.data.quality.oddities import odd_images
from orchestrator.pages.blocks import Cell, Table

_SHOWN: Mapping[str, str] = {
    "brightness": "brightness, 0 to 1",
    "contrast": "contrast, 0 to 1",
    "colour": "colour, 0 to 255",
    "entropy": "entropy, bits",
    "edge_std": "edges, grey levels",
}


def look_at_images(look: Look) -> StageResult:
    measures = look.measures
    own = measures.take(np.flatnonzero(measures.readable))
    rows: tuple[tuple[Cell, ...], ...] = ()
    if len(own):
        rows = tuple(
            (title, *map(float, np.quantile(own.statistics[name], (0.0, 0.05, 0.5, 0.95, 1.0))))
            for name, title in _SHOWN.items()
        )
    table = Table(
        "what the images are like", ("", "least", "5%", "median", "95%", "most"), rows, in_terminal=False
    )
    return StageResult(tuple(odd_images(measures, look.paths, look.tasks)), (table,))

"""Layouts that say themselves what is predicted."""

from __future__ import annotations

import pandas as pd

from orchestrator.data.importers.competition import target_of
from orchestrator.data.targets import Target


def layout_target(frame: pd.DataFrame) -> Target | None:
    """The target that the rows' own layout is made for; None for a table of any columns."""
    return target_of(frame)

"""A study that lasts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.fixture
def slow_space(space_file: Path) -> Path:
    """Enough epochs of a twentieth of a second that a study outlives ten losses; no trial is out early."""
    text = space_file.read_text().replace("2.0)}", '2.0), "epoch_seconds": 0.05}')
    text = re.sub(r"trials=9, max_t=4, grace_period=1, finalists=2", "trials=6, max_t=30", text)
    space_file.write_text(re.sub(r"\n    scales=.*\n", "\n", text))
    return space_file

"""A study of this version that took a second: four trials of two epochs, in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.tune.__main__ import main as tune

MADE = Path(__file__).parents[1] / "study" / "made_by_0_1"


def make_small_study(folder: Path) -> Path:
    """The study `a` in `folder`, beside its data."""
    shutil.copytree(MADE / "data", folder / "data")
    words = ["--space", str(MADE / "tint.py"), "--data", str(folder / "data" / "rows.csv"), "--inline"]
    assert tune([*words, "--study", "a", "--runs", str(folder), "--trials", "4", "--max-epochs", "2"]) == 0
    return folder / "a"

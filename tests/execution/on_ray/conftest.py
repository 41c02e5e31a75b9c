"""A study that lasts, and one that has only begun."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.data.folds import build_fold_plan
from orchestrator.data.manifest import Manifest
from orchestrator.space import SearchSpace, categorical, uniform
from orchestrator.study.header import StudyHeader
from orchestrator.study.study import Study


@pytest.fixture
def slow_space(space_file: Path) -> Path:
    """Enough epochs of a twentieth of a second that a study outlives ten losses; no trial is out early."""
    text = space_file.read_text().replace("2.0)}", '2.0), "epoch_seconds": 0.05}')
    text = re.sub(r"trials=9, max_t=4, grace_period=1, finalists=2", "trials=6, max_t=30", text)
    space_file.write_text(re.sub(r"\n    scales=.*\n", "\n", text))
    return space_file


@pytest.fixture
def study(tmp_path: Path) -> Study:
    frame = pd.DataFrame(
        {
            "path": [f"{row}.png" for row in range(24)],
            "group": [f"g{row}" for row in range(24)],
            "role": "train",
            "tint": ["red", "blue"] * 12,
        }
    )
    target = categorical("tint", ["red", "blue"])
    space = SearchSpace("tests.pixel_trainable:PixelTrainable", target, {"lr": uniform(0, 1)}, folds=2)
    manifest = Manifest(frame, tmp_path, "drawn")
    plan = build_fold_plan(manifest, 2, 0, (target,))
    return Study.create(tmp_path / "study", StudyHeader("s", space.to_json()), manifest, plan)

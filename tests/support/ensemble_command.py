"""The ensemble command as tests call it, and what it left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from orchestrator.data.manifest import load_manifest
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main
from tests.pixel_trainable import PixelTrainable

MEMORISER = "tests.support.memoriser:Memoriser"


def images(data: Path) -> list[str]:
    return [str(data.parent / path) for path in load_manifest(data).frame["path"]]


UNIFORM = ("--vote", "soft", "--calibrate", "none", "--decide", "none")
"""All of a study's finalists alike and nothing fitted, so that a test can work out the answer by hand."""
PLAIN = {"vote": "soft", "calibrate": "none", "decide": "none"}
"""The same for `build_ensemble`."""


def build(runs: Path, *more: str, study: str = "both") -> Path:
    assert main(["--runs", str(runs), "--study", study, "--out", str(runs / "e"), *UNIFORM, *more]) == 0
    return runs / "e"


def build_joint(runs: Path, *more: str) -> Path:
    names = ["--study", "shade", "tint"]  # not the order of the joint label
    assert main(["--runs", str(runs), *names, "--out", str(runs / "e"), *UNIFORM, *more]) == 0
    return runs / "e"


def record(folder: Path) -> dict:  # type: ignore[type-arg]
    return dict(json.loads((folder / "ensemble.json").read_text()))


def by_hand(folder: Path, paths: list[str], tta: str) -> np.ndarray:
    models = [
        PixelTrainable.load_predictor((folder / model.weights).read_bytes(), {}, 6)
        for model in Ensemble.load(folder).models()
    ]
    return np.asarray(np.mean([model.predict(paths, tta) for model in models], axis=0))

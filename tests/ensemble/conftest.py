"""Studies of two tints and three shades; each is made once for all tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.ensemble_studies import SHADE, TINT, Plan, make_eval, make_faces, make_study


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of an ensemble here doesn't depend on how often its making is repeated."""
    monkeypatch.setattr("orchestrator.ensemble.scoring.quick_repeats", lambda pools: 10)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """runs/ with a study of the joint label and two of its parts; tests don't write into it."""
    runs = tmp_path_factory.mktemp("runs")
    make_study(runs / "both", data, Plan())
    make_study(runs / "tint", data, Plan(target=TINT, joint=True))
    make_study(runs / "shade", data, Plan(target=SHADE, joint=True))
    return runs


@pytest.fixture(scope="session")
def flipped(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """runs/ with a study whose trials were validated with mirror images; tests don't write into it."""
    runs = tmp_path_factory.mktemp("flipped")
    make_study(runs / "both", data, Plan(lrs=(0.5, 1.0), epochs=2, config={"tta": "flip"}))
    return runs


@pytest.fixture
def runs(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


@pytest.fixture(scope="session")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_eval(tmp_path_factory.mktemp("competition") / "eval")

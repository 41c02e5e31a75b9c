"""A trainable beside its space file reaches the workers of a Ray of our own and of one that is joined."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.study.study import Study
from tests.support.helpers import check_consistent, curves, events

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]  # many commands, one after another
ROOT = Path(__file__).parents[3]
MODEL = """
import numpy as np
from beside_helper import SIDE
from orchestrator.core.own_trainable import trainable
from orchestrator.testing.toy import read_pixels

@trainable(weight=1.0)
def centres(data, config):
    pixels, held_out = read_pixels(data.paths), read_pixels(data.validation.paths)
    means = np.zeros((len(data.classes), SIDE * SIDE * 3))
    for epoch in range(data.max_epochs):
        rows = data.rng(epoch).choice(len(pixels), 20)
        for label in range(len(data.classes)):
            own = pixels[rows[data.labels[rows] == label]]
            means[label] = (epoch * means[label] + own.mean(axis=0)) / (epoch + 1)
        shares = np.exp(-config["weight"] * ((held_out[:, None] - means) ** 2).sum(axis=2))
        yield shares / shares.sum(axis=1, keepdims=True)
"""
SPACE = """
from beside_model import centres
from orchestrator.space import SearchSpace, categorical, loguniform

space = SearchSpace(
    trainable=centres, target=categorical("tint", ["red", "blue"]),
    params={"weight": loguniform(0.1, 10.0)}, folds=3, trials=3, max_t=3, finalists=1,
)
"""


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """A Ray that was started without knowing the folder."""
    import ray

    from orchestrator.execution.on_ray import cluster

    os.environ["PYTHONPATH"] = str(ROOT)
    with cluster.connect(None, cpus=2):
        yield ray.get_runtime_context().gcs_address


@pytest.fixture
def space(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "beside_model.py").write_text(MODEL)
    (folder / "beside_helper.py").write_text("SIDE = 8\n")
    (folder / "space.py").write_text(SPACE)
    return folder / "space.py"


def tune(*more: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.tune", *map(str, more)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def check_same(one: Path, other: Path) -> None:
    found, expected = curves(one), curves(other)
    shared = [(key, epoch) for key in found for epoch in found[key] if epoch in expected.get(key, {})]
    assert len(shared) >= 9 and all(found[key][epoch] == expected[key][epoch] for key, epoch in shared)


def test_a_study_on_a_joined_ray_trains_what_it_trains_here_and_is_continued(
    space: Path, faces: Path, tmp_path: Path, ray_address: str
) -> None:
    data = ["--data", faces, "--runs", tmp_path]
    joined = tune("--space", space, *data, "--study", "ray", "--address", ray_address)
    assert joined.returncode == 0, joined.stderr
    assert tune("--space", space, *data, "--study", "inline", "--inline").returncode == 0
    assert not events(tmp_path / "ray", "leg_failed")
    check_same(tmp_path / "ray", tmp_path / "inline")
    resume = ["--resume", "--study", "ray", "--runs", tmp_path, "--trials", "5", "--address", ray_address]
    refused = tune(*resume)
    assert refused.returncode == 2 and f"name that file again: --space {space}" in refused.stderr
    (space.parent / "beside_helper.py").write_text("SIDE = 8  # as before\n")
    done = tune(*resume, "--space", space)
    assert done.returncode == 0, done.stderr
    assert "note: beside_model has changed since the study began" in done.stdout
    check_consistent(tmp_path / "ray", folds=3, max_t=3)
    assert len(Study(tmp_path / "ray").configs) == 5


def test_a_ray_of_our_own_finds_it_too(space: Path, faces: Path, tmp_path: Path) -> None:
    done = tune("--space", space, "--data", faces, "--runs", tmp_path, "--study", "own")
    assert done.returncode == 0, done.stderr
    assert not events(tmp_path / "own", "leg_failed")
    assert Study(tmp_path / "own").complete_trials()

"""What the pages of docs/how-to/own_trainable show works as it stands there, on drawn faces."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo.faces import make_demo_faces
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble import __main__ as ensemble
from orchestrator.study.study import Study
from orchestrator.testing import check_trainable
from orchestrator.tune import __main__ as tune

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to" / "own_trainable"
SHOWN = {
    "scikit_learn": ["my_model:sgd", "my_model_too:sgd"],
    "boosting": ["my_boosting:boosting"],
    "torch_loop": ["my_net:SmallNet"],
}


def write_page(name: str, folder: Path) -> Path:
    """Each block into the file that its first line names."""
    for block in re.findall(r"```python\n(.*?)```", (PAGES / f"{name}.md").read_text(), flags=re.DOTALL):
        file, _, _ = block.partition("\n")
        (folder / file.removeprefix("# ")).write_text(block)
    return folder / "space.py"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo_faces(tmp_path_factory.mktemp("drawn") / "faces", people=12, eval_people=2, size=32)


@pytest.fixture(autouse=True)
def same_path_afterwards() -> Iterator[None]:
    path, inherited, modules = list(sys.path), os.environ.get("PYTHONPATH"), set(sys.modules)
    yield
    sys.path[:] = path
    os.environ.pop("PYTHONPATH", None)
    if inherited is not None:
        os.environ["PYTHONPATH"] = inherited
    for name in [name for name in set(sys.modules) - modules if name.startswith(("my_", "space"))]:
        del sys.modules[name]


def test_every_page_is_tested() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {"README", *SHOWN}


@pytest.mark.parametrize("page", SHOWN)
def test_a_page_shows_trainables_without_a_fault(page: str, tmp_path: Path) -> None:
    write_page(page, tmp_path)
    sys.path.append(str(tmp_path))
    notes = [check_trainable(name) for name in SHOWN[page]]
    assert [len(found) for found in notes] == [name == "my_model:sgd" for name in SHOWN[page]]


@pytest.mark.parametrize("page", SHOWN)
def test_a_page_shows_a_study_that_becomes_an_ensemble(page: str, tmp_path: Path, drawn: Path) -> None:
    space, runs = write_page(page, tmp_path), tmp_path / "runs"
    search = ["--space", str(space), "--data", str(drawn / "train"), "--runs", str(runs), "--study", "a"]
    assert tune.main([*search, "--inline"]) == 0
    study = Study(runs / "a")
    assert study.header.own_code is not None and study.header.own_code["space_file"] == str(space)
    assert len(study.complete_trials()) == 2
    assert ensemble.main(["--study", str(runs / "a"), "--out", str(tmp_path / "e")]) == 0
    paths = sorted(str(path) for path in (drawn / "eval" / "images").iterdir())
    if page == "scikit_learn":
        return  # it gives no predictor, which the page says
    found = Ensemble.load(tmp_path / "e").predict(paths)
    assert found.shape == (len(paths), 3) and found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_the_check_of_the_first_page_prints_what_is_left_out(tmp_path: Path) -> None:
    write_page("scikit_learn", tmp_path)
    write_page("README", tmp_path)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "check.py"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sgd cannot predict new images")

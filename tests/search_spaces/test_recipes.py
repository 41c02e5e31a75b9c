"""The five recipes run on the drawn faces, each with what is its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from orchestrator.check import __main__ as check
from orchestrator.check import check_search
from orchestrator.demo import faces
from orchestrator.inputs.data_options import DataOptions
from orchestrator.space.loading import load_space
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main

# One may take two minutes beside other tests, and longer on a slower machine.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(900)]

FOLDER = Path(__file__).parents[2] / "search_spaces" / "retrospectives"
RECIPES = sorted(path.stem for path in FOLDER.glob("recipe?.py"))
ALL = sorted(path.stem for path in FOLDER.glob("recipe*.py"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, so that faces are drawn and decoded once: few, so rare classes are rarer still."""
    folder = Path(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patched:
        few = partial(faces.make_demo_faces, people=60, eval_people=3)
        patched.setattr(faces, "make_demo_faces", few)
        faces.demo_faces(folder / ".cache")
    return folder


def test_there_are_five() -> None:
    assert len(RECIPES) == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_at_smoke_scale(name: str, runs: Path) -> None:
    space = FOLDER / f"{name}.py"
    assert main(["--space", str(space), "--runs", str(runs), "--study", name, "--smoke", "--inline"]) == 0
    [best] = Study(runs / name).complete_trials()
    assert 0 < best.score < 1


@pytest.mark.parametrize("name", ALL)
def test_every_value_of_a_recipe_fits_the_faces(name: str, runs: Path) -> None:
    """Losses, columns, edges and samplers, at every scale and without training."""
    space = load_space(FOLDER / f"{name}.py")
    for scale in ("full", "smoke"):
        check_search(space.at_scale(scale), DataOptions(runs=runs), 0, print)


def test_the_faces_of_the_recipes_have_nothing_that_must_be_mended(runs: Path) -> None:
    """Which rows and labels a recipe has does not depend on its values: one, whose target has three parts."""
    assert check.main(["--space", str(FOLDER / "recipe1.py"), "--runs", str(runs)]) == 0

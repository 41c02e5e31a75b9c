"""The face spaces take every layout of faces, and any.py everything, at every scale. Nothing is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.check import __main__ as check
from orchestrator.demo.faces import make_demo_faces
from orchestrator.space import SCALES
from tests.competitions.pictures import draw, save

pytestmark = pytest.mark.torch
LAYOUTS = ("competition", "table", "UTKFace names", "class folders")


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sixty small pictures in each layout of the README."""
    root, rng = tmp_path_factory.mktemp("layouts"), np.random.default_rng(3)
    make_demo_faces(root / "competition", people=30, eval_people=2, size=32)
    lines = ["path,age,gender,label"]
    for row in range(60):
        age, gender = (20, 45, 70)[row % 3], row // 3 % 2
        picture, name = draw([row % 3], 3, rng), f"{age}_{gender}_0_2017010{row:04d}.jpg"
        for place in (f"utk/{name}", f"table/{name}", f"folders/{'abc'[row % 3]}/{row}.jpg"):
            save(root / place, picture)
        lines.append(f"{name},{age},{('male', 'female')[gender]},{'abc'[row % 3]}")
    (root / "table" / "labels.csv").write_text("\n".join(lines) + "\n")
    return {
        "competition": root / "competition" / "train",
        "table": root / "table" / "labels.csv",
        "UTKFace names": root / "utk",
        "class folders": root / "folders",
    }


def checked(space: str, data: Path, scale: str, runs: Path) -> int:
    return check.main(["--space", space, "--data", str(data), "--scale", scale, "--runs", str(runs)])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("space", ["age", "gender"])
@pytest.mark.parametrize("layout", LAYOUTS[:3])
def test_a_face_space_takes_every_layout_of_faces(
    layouts: dict[str, Path], layout: str, space: str, scale: str, tmp_path: Path
) -> None:
    assert checked(space, layouts[layout], scale, tmp_path) == 0


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("layout", ["table", "class folders"])
def test_any_takes_whatever_has_a_label(
    layouts: dict[str, Path], layout: str, scale: str, tmp_path: Path
) -> None:
    assert checked("any", layouts[layout], scale, tmp_path) == 0

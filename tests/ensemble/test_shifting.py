"""What is said of images to predict that are unlike the training images."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from orchestrator.data.manifest import load_manifest
from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.shifting import shift_line
from tests.support.ensemble_studies import SHADE, TINT, Plan, draw, make_study

PEOPLE = 60


def people(root: Path, seed: int, photos: int) -> Path:
    """faces.csv of 60 people with a tint and a shade, each in so many photos."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    lines = ["path,group,tint,shade"]
    for person in range(PEOPLE):
        for photo in range(photos):
            name = f"p{person:02d}-{photo}.png"
            tint, shade = person % 2, person // 2 % 3
            draw(root / name, rng, tint, shade)
            lines.append(f"{name},p{person:02d},{TINT.classes[tint]},{SHADE.classes[shade]}")
    (root / "faces.csv").write_text("\n".join(lines) + "\n")
    return root / "faces.csv"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    study = make_study(runs / "tint", people(runs / "data", 0, 2), Plan(TINT, lrs=(0.1,), epochs=1))
    assert main(["--study", str(study), "--out", str(study / "e"), "--runs", str(runs)]) == 0
    return runs


@pytest.fixture
def new(tmp_path: Path) -> Path:
    people(tmp_path / "new", 1, 1)
    (tmp_path / "new" / "faces.csv").unlink()
    return tmp_path / "new"


def said_of_shift(
    runs: Path, new: Path, capsys: pytest.CaptureFixture[str], ensemble: Path | None = None
) -> str | None:
    capsys.readouterr()
    chosen = ["--ensemble", str(ensemble or runs / "tint" / "e"), "--predict", str(new), "--runs", str(runs)]
    assert main(chosen) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("shift: ")]
    assert len(lines) <= 1
    return lines[0] if lines else None


def test_images_like_the_training_images_are_not_told_apart(
    runs: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_of_shift(runs, new, capsys)
    assert said is not None and "are not clearly told apart from training rows: AUC 0." in said
    assert re.search(r"; out of fold macro_f1 0\.\d+, weighted as the rows to predict 0\.\d+ \(95% ", said)
    assert re.search(r" on \d+ effective of 120 rows$", said)


def test_darker_images_are_told_apart(runs: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in new.iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path)) // 3)
    said = said_of_shift(runs, new, capsys)
    assert said is not None and "differ from training rows: AUC 1.00" in said
    assert said.endswith("; `check` with --predict says what differs")


def test_a_few_images_are_not_compared(runs: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted(new.iterdir())[49:]:
        path.unlink()
    assert said_of_shift(runs, new, capsys) is None


def test_images_that_cannot_be_read_are_not_counted(
    runs: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, ensemble = load_manifest(new), Ensemble.load(runs / "tint" / "e")
    assert len(manifest) == PEOPLE
    for path in sorted(new.iterdir())[49:]:
        path.write_bytes(b"no image")
    assert shift_line(ensemble, manifest, runs, 0) is None
    for path in new.iterdir():
        path.write_bytes(b"no image")
    assert shift_line(ensemble, manifest, runs, 0) is None


def test_the_studies_are_looked_for_beside_an_ensemble_that_lies_beside_them(
    runs: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = runs / "ensemble-of-more"
    shutil.copytree(runs / "tint" / "e", beside)
    capsys.readouterr()
    asked = ["--ensemble", str(beside), "--predict", str(new), "--runs", str(tmp_path / "other")]
    assert main(asked) == 0
    (said,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("shift: ")]
    assert "AUC" in said


def test_it_says_so_where_the_training_images_are_not_known(
    runs: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Path(shutil.copytree(runs / "tint" / "e", tmp_path / "elsewhere" / "e"))
    said = said_of_shift(tmp_path / "elsewhere", new, capsys, moved)
    assert said is not None
    assert said.startswith(
        "shift: not looked at; the study tint, which knows the training images, is not in "
    )
    # With the runs named it is compared, wherever the ensemble lies.
    known = said_of_shift(runs, new, capsys, moved)
    assert known is not None and "AUC" in known


def test_it_says_so_where_the_training_images_are_gone(
    runs: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "runs"))
    images = runs / "data"
    images.rename(tmp_path / "away")
    try:
        said = said_of_shift(copy, new, capsys)
    finally:
        (tmp_path / "away").rename(images)
    assert said is not None and said.startswith("shift: not looked at; the images that were trained on are ")

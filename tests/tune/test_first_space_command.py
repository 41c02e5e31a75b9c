"""`tune --init`: what it reads beside the data, what it refuses, and that it overwrites nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from orchestrator.space.loading import load_space
from orchestrator.tune.__main__ import main
from tests.competitions.pictures import draw, save


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve images in two class folders."""
    rng = np.random.default_rng(5)
    for row in range(12):
        save(tmp_path / "photos" / "ab"[row % 2] / f"{row}.png", draw([row % 2], 2, rng))
    return tmp_path / "photos"


def table(photos: Path, labels: str = "01") -> Path:
    lines = [f"{'ab'[row % 2]}/{row}.png,{labels[row % 2]}" for row in range(12)]
    (photos / "train.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    return photos / "train.csv"


def init(file: Path, data: Path, *more: str) -> int:
    return main(["--init", str(file), "--data", str(data), *more])


def test_a_space_for_class_folders(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "mine.py", photos) == 0
    assert load_space(tmp_path / "mine.py").at_scale("smoke").folds == 2
    text = (tmp_path / "mine.py").read_text()
    assert "the files are 40 x" in text and "2 classes" in text
    assert "TEST_IMAGES" in capsys.readouterr().out


def test_what_lies_beside_the_data_is_found(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(photos, "34")
    (photos / "names.json").write_text(json.dumps({"cat": 3, "dog": 4}))
    (photos / "boxes.json").write_text("[1, 2]")
    (photos / "Sample_Submission.csv").write_text("id,label\nt1,3\n")
    (photos / "test_images").mkdir()
    assert init(tmp_path / "mine.py", data) == 0
    assert "names.json names them: 3 is cat, 4 is dog" in (tmp_path / "mine.py").read_text()
    shown = capsys.readouterr().out
    assert "Sample_Submission.csv asks for it" in shown
    assert f"--predict {photos / 'test_images'}" in shown
    assert f"--template {photos / 'Sample_Submission.csv'}" in shown
    (photos / "test_images").rmdir()
    assert init(tmp_path / "other.py", data) == 0
    assert f"--predict {photos / 'Sample_Submission.csv'}" in capsys.readouterr().out


def test_how_the_data_are_read_is_in_the_commands(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path / "mine.py", table(photos), "--path-column", "path", "--images", str(photos)) == 0
    assert f"--path-column path --images {photos} --smoke" in (tmp_path / "mine.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--init", "mine.py"], "--init mine.py needs --data"),
        (["--init", "mine", "--data", "DATA"], "name it mine.py"),
        (["--init", "mine.py", "--data", "DATA", "--space", "age"], "leave out --space and --resume"),
        (["--init", "there.py", "--data", "DATA"], "there.py exists and is not overwritten"),
        (["--init", "mine.py", "--data", "DATA", "--template", "no.csv"], "--template no.csv: no such file"),
        (["--init", "mine.py", "--data", "DATA", "--metric", "f2"], "metric='f2' is not known"),
        (["--target", "label", "--data", "DATA", "--space", "age"], "--target label belongs to --init FILE"),
        (["--metric", "accuracy", "--space", "age"], "--metric accuracy belongs to --init FILE"),
    ],
)
def test_refusals(
    arguments: list[str],
    message: str,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("there.py").write_text("mine\n")
    assert main([str(photos) if word == "DATA" else word for word in arguments]) == 2
    assert message in capsys.readouterr().err
    assert Path("there.py").read_text() == "mine\n" and not Path("mine.py").exists()


def test_two_sample_submissions_are_a_question(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(photos)
    for name in ("sample_submission_1.csv", "sample_submission_2.csv"):
        (photos / name).write_text("id,label\nt1,0\n")
    assert init(tmp_path / "mine.py", data) == 2
    assert "holds 2 sample submissions" in capsys.readouterr().err
    assert init(tmp_path / "mine.py", data, "--template", str(photos / "sample_submission_2.csv")) == 0


def test_a_table_among_the_test_images_is_a_template_if_it_is_unanswered(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = photos.parent / "seg_test" / "info.csv"
    answers.parent.mkdir()
    for at, (second, is_template) in enumerate([("0", True), ("1", False)]):
        answers.write_text(f"ImageID,ans\nx.png,0\ny.png,{second}\n")
        assert init(tmp_path / f"mine{at}.py", photos) == 0
        shown = capsys.readouterr().out
        assert f"--predict {answers.parent}" in shown
        assert (f"--template {answers}" in shown) == is_template


def test_no_more_folds_than_groups_and_classes_allow_together(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each class is in three of the four groups, yet three folds with all classes in each do not exist."""
    labels = ["p1,u", "p1,w", "p2,u", "p2,v", "p2,w", "p3,u", "p3,v", "p4,v", "p4,w"]
    lines = [f"{'ab'[row % 2]}/{row}.png,{label}" for row, label in enumerate(labels)]
    (photos / "train.csv").write_text("\n".join(["path,patient_id,label", *lines]) + "\n")
    assert init(tmp_path / "mine.py", photos / "train.csv") == 0
    space = load_space(tmp_path / "mine.py")
    assert (space.group, space.folds) == ("patient_id", 2)
    assert "2 folds are the most that have every class in each" in capsys.readouterr().out

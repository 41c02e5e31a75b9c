from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from orchestrator.check import contact_sheet
from orchestrator.check.__main__ import main
from orchestrator.check.contact_sheet import Block, draw_sheet
from orchestrator.check.preview import settings
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError
from orchestrator.space import SearchSpace, categorical, choice, uniform
from orchestrator.tune import __main__ as tune
from tests.pixel_trainable import PixelTrainable

pytestmark = pytest.mark.torch

SPACE = """
from orchestrator.space import Scale, SearchSpace, categorical, choice, loguniform

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=categorical("tint", ["red", "blue"]),
    params={
        "backbone": "test_resnet",
        "image_size": 32,
        "lr": loguniform(1e-3, 1e-2),
        "augment": choice(["none", "flip(1) + rotate(20)"]),
        "preprocess": choice(["", "under_crop(0.5)"]),
    },
    folds=3, trials=9, max_t=4,
    scales={"smoke": Scale(trials=2, max_t=2, folds=2)},
)
"""


@pytest.fixture
def pictured(tmp_path: Path) -> Path:
    path = tmp_path / "pictured.py"
    path.write_text(SPACE)
    return path


def run(space: Path, faces: Path, *more: str) -> int:
    return main(["--space", str(space), "--data", str(faces), "--runs", str(space.parent / "runs"), *more])


def test_a_check_says_what_varies_and_what_is_fixed(
    pictured: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pictured, faces) == 0
    said = capsys.readouterr().out
    assert (
        "9 trials x 3 folds x 4 epochs" in said
        and "rows: 60 images of 20 groups; tint: red 30, blue 30" in said
    )
    assert "4 parameters vary" not in said and "3 parameters vary" in said
    assert "loguniform(0.001, 0.01)" in said and "fixed: backbone='test_resnet', image_size=32" in said


def test_a_check_takes_scale_and_settings_as_a_search_does(
    pictured: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pictured, faces, "--scale", "smoke", "--set", "lr=0.002") == 0
    said = capsys.readouterr().out
    assert "2 trials x 2 folds x 2 epochs" in said and "lr=0.002" in said and "2 parameters vary" in said


def test_a_check_refuses_what_a_search_would_of_fixes_and_extra_rows(
    pictured: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixes, extra = tmp_path / "fixes.csv", tmp_path / "more.csv"
    fixes.write_text("path,column,old,new,reason\np00-0.png,tint,red,blue,looked again\n")
    cv2.imwrite(str(tmp_path / "new.png"), np.full((8, 8, 3), 77, np.uint8))  # of somebody else
    extra.write_text("path,group,tint\nnew.png,someone,red\n")
    more = ("--label-fixes", str(fixes), "--extra", str(extra))
    assert run(pictured, faces, *more) == 0
    said = capsys.readouterr().out
    assert "label fixes: 1 rows" in said and "red 29, blue 31; 1 images with role extra" in said
    extra.write_text("path,group,tint\nnew.png,p03,red\n")
    assert run(pictured, faces, *more) == 2 and "groups are in faces too: p03" in capsys.readouterr().err
    extra.write_text("path,group,role,tint,only_fold,fold_plan_digest\nnew.png,x,extra,red,1,another plan\n")
    assert run(pictured, faces, *more) == 2 and "have labels for one fold" in capsys.readouterr().err


def test_a_check_asks_the_trainable_about_its_values_on_the_data(
    space_file: Path, faces: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def look(values: Mapping[str, Sequence[Any]], dataset: Dataset) -> None:
        raise TrainableError(f"{sorted(values)} cannot work on {len(dataset.paths)} rows")

    monkeypatch.setattr(PixelTrainable, "check_values", look, raising=False)
    assert run(space_file, faces) == 2
    said = capsys.readouterr().err
    assert "cannot work on 60 rows" in said and all(name in said for name in PixelTrainable.parameters())


def test_a_check_says_what_the_images_are_and_so_does_a_search(
    pictured: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = "images: 60 decoded, 12 x 12 pixels, values "
    assert run(pictured, faces) == 0 and facts in capsys.readouterr().out
    fixed = ("--set", "lr=0.01", "--set", "augment=none", "--set", "preprocess=")
    where = ("--space", str(pictured), "--data", str(faces), "--runs", str(pictured.parent / "runs"))
    assert tune.main([*where, "--inline", "--scale", "smoke", "--trials", "1", *fixed]) == 0
    assert facts in capsys.readouterr().out


def test_a_check_refuses_unreadable_images_as_a_search_does(
    pictured: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(shutil.copytree(faces.parent, pictured.parent / "own"))
    (own / "p00-0.png").write_text("<html>404</html>")
    (own / "p03-1.png").write_bytes((own / "p03-1.png").read_bytes()[:90])
    said = []
    for command, more in ((main, []), (tune.main, ["--inline"])):
        where = ["--data", str(own / "faces.csv"), "--runs", str(pictured.parent / "runs")]
        assert command(["--space", str(pictured), *where, *more]) == 2
        said.append(capsys.readouterr().err)
    assert said[0] == said[1] and "2 of 60 images cannot be read" in said[0]
    assert "p00-0.png (an HTML page" in said[0] and "p03-1.png (truncated)" in said[0]


def test_no_study_comes_of_a_check(pictured: Path, faces: Path) -> None:
    assert run(pictured, faces) == 0
    assert {path.name for path in (pictured.parent / "runs").iterdir()} == {".cache", "check-faces"}


def test_a_contact_sheet_has_a_block_for_each_setting(pictured: Path, faces: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"of an earlier look")
    assert run(pictured, faces, "--augmentations", str(sheet), "--rows", "3") == 0
    image = cv2.imread(str(sheet))
    assert image is not None
    row = contact_sheet.TILE + contact_sheet.GAP
    least, most = 2 * 3 * row, 4 * (3 * row + 5 * contact_sheet.LINE)  # 2 to 4 settings, 3 images each
    assert least < image.shape[0] < most
    assert image.shape[1] == contact_sheet.LABEL + 7 * row
    assert not list(tmp_path.glob("*.part"))


def test_the_same_seed_draws_the_same_sheet(pictured: Path, faces: Path, tmp_path: Path) -> None:
    for name, seed in (("a.png", "0"), ("b.png", "0"), ("c.png", "1")):
        assert run(pictured, faces, "--augmentations", str(tmp_path / name), "--seed", seed) == 0
    first, again, other = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert first == again and first != other


@pytest.mark.parametrize(
    "more, says",
    [
        (("--set", "lr=-1"), "lr=-1"),
        (("--set", "augmnt=light"), "did you mean augment?"),
        (("--set", "augment=flip(3)", "--augmentations", "SHEET"), "p=3 must be"),
        (("--set", "preprocess=box()", "--augmentations", "SHEET"), "needs the column box_left"),
        (("--scale", "small"), "declares only full, smoke"),
    ],
)
def test_what_a_search_would_refuse_is_refused(
    pictured: Path, faces: Path, capsys: pytest.CaptureFixture[str], more: Sequence[str], says: str
) -> None:
    sheet = pictured.parent / "sheet.png"
    assert run(pictured, faces, *(str(sheet) if word == "SHEET" else word for word in more)) == 2
    assert says in capsys.readouterr().err and not sheet.exists()


def test_a_trainable_that_shows_nothing_is_named(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(space_file, faces) == 0
    assert run(space_file, faces, "--augmentations", str(tmp_path / "sheet.png")) == 2
    assert "tests.pixel_trainable:PixelTrainable has no preview" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(
    pictured: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken.png").mkdir()
    assert run(pictured, faces, "--augmentations", str(tmp_path / "taken.png")) == 2
    assert "taken.png cannot be written" in capsys.readouterr().err


def test_settings_show_every_value_once_or_more() -> None:
    space = SearchSpace(
        "a:B",
        categorical("tint", ["red", "blue"]),
        {
            "augment": choice(["none", "light", "strong"]),
            "mix": choice(["none", "cutmix"]),
            "mix_alpha": uniform(0.1, 1.0).when(mix="cutmix"),
            "lr": uniform(0, 1),
        },
    )
    found = settings(space, 0)
    assert {config["augment"] for config in found} == {"none", "light", "strong"}
    assert {config["mix"] for config in found} == {"none", "cutmix"} and len(found) <= 4


class Drawn:
    labels = np.array([0, 1])
    validation = np.full((2, 32, 16, 3), (255, 0, 0), np.uint8)
    training = np.full((2, 3, 32, 16, 3), (0, 0, 255), np.uint8)


def test_a_sheet_shows_validation_first_then_training() -> None:
    sheet = draw_sheet([Block("a caption that is far too long for one line " * 6, Drawn(), ("ü60", "b"))] * 2)
    red, blue = ((sheet == colour).all(axis=2) for colour in ((255, 0, 0), (0, 0, 255)))
    tile = contact_sheet.TILE * contact_sheet.TILE // 2
    assert red.sum() == 4 * tile and blue.sum() == 12 * tile
    assert np.flatnonzero(red.any(axis=0)).max() < np.flatnonzero(blue.any(axis=0)).min()
    assert (sheet[: 2 * contact_sheet.LINE] < 128).any()  # the caption is written

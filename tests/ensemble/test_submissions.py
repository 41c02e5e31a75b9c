"""Submissions as the command and a program write them, of whatever holds the images."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.core.task import Task
from orchestrator.data.manifest import Manifest
from orchestrator.ensemble import Ensemble, write_submission
from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.predictions import decided, histogram, write_probabilities
from orchestrator.evaluation.thresholds import Thresholds
from tests.support.ensemble_studies import BOTH, SHADE, draw
from tests.support.submission_reader import read_submission

ORDER = ("q0", "h1", "z2", "a3", "m4")  # no order that sorting gives


@pytest.fixture(scope="module")
def folders(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small ensemble of each study."""
    out = tmp_path_factory.mktemp("ensembles")
    for name in ("both", "tint", "shade"):
        assert main(["--runs", str(made), "--study", name, "--top", "1", "--out", str(out / name)]) == 0
    return {name: out / name for name in ("both", "tint", "shade")}


@pytest.fixture
def ensemble(folders: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    return {name: Path(shutil.copytree(path, tmp_path / "made" / name)) for name, path in folders.items()}


@pytest.fixture
def test_images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    (tmp_path / "test").mkdir()
    for number, name in enumerate(ORDER):
        draw(tmp_path / "test" / f"{name}.png", rng, number % 2, number % 3)
    return tmp_path / "test"


def submit(folder: Path, *arguments: object) -> Path:
    out = folder.parent / "out.csv"
    assert main(["--ensemble", str(folder), "--submission", str(out), *map(str, arguments)]) == 0
    return out


def template(images: Path, text: str) -> Path:
    path = images.parent / "sample_submission.csv"
    path.write_text(text, newline="")
    return path


def predicted(folder: Path, images: Path) -> np.ndarray:
    return Ensemble.load(folder).predict([images / f"{name}.png" for name in ORDER])


def decided_classes(folder: Path, images: Path) -> list[str]:
    """The class of each image, by name: where decisions were fitted, not always the most probable one."""
    ensemble = Ensemble.load(folder)
    return ensemble.names(ensemble.decide(predicted(folder, images)))


def test_the_mask_competitions_bytes_are_what_they_were(ensemble: dict[str, Path], evaluation: Path) -> None:
    names = pd.read_csv(evaluation / "info.csv")["ImageID"]
    both = Ensemble.load(ensemble["both"])
    chances = both.predict([evaluation / "images" / name for name in names])
    answers = pd.DataFrame({"ImageID": names, "ans": both.decide(chances)})
    out = submit(ensemble["both"], "--predict", evaluation)
    assert out.read_bytes() == answers.to_csv(index=False).encode()


def test_a_folder_is_predicted_in_the_templates_order_and_form(
    ensemble: dict[str, Path], test_images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = template(test_images, "image_id;shade\r\n" + "".join(f"{name};dark\r\n" for name in ORDER[:4]))
    out = submit(ensemble["shade"], "--predict", test_images, "--template", asked)
    rows = read_submission(out, asked, labels=SHADE.classes)
    expected = decided_classes(ensemble["shade"], test_images)[:4]
    assert [row[1] for row in rows] == expected
    said = capsys.readouterr().out
    assert f"template: {asked}; column 'shade': the class, by name; 1 image that it does not name" in said
    table = pd.read_parquet(next(ensemble["shade"].glob("predictions-*.parquet")))
    assert table["path"].tolist() == [f"{name}.png" for name in ORDER[:4]]
    assert table["predicted"].tolist() == expected


def test_a_probability_is_written_where_the_template_has_decimals(
    ensemble: dict[str, Path], test_images: Path
) -> None:
    asked = template(test_images, "id,target\n" + "".join(f"test/{name}.png,0.5\n" for name in ORDER))
    out = submit(ensemble["tint"], "--predict", test_images.parent / "test/*.png", "--template", asked)
    rows = read_submission(out, asked, probabilities=True)
    chances = predicted(ensemble["tint"], test_images)
    assert [float(row[1]) for row in rows] == pytest.approx(chances[:, 1].tolist(), abs=1e-6)


def test_zeros_are_filled_in_as_the_user_says(ensemble: dict[str, Path], test_images: Path) -> None:
    asked = template(test_images, "id,target\n" + "".join(f"{name},0\n" for name in ORDER))
    out = submit(ensemble["tint"], "--predict", test_images, "--template", asked)
    assert {row[1] for row in read_submission(out, asked, labels={"0", "1"})} <= {"0", "1"}
    out.unlink()
    submit(ensemble["tint"], "--predict", test_images, "--template", asked, "--as", "probabilities")
    assert all("." in row[1] for row in read_submission(out, asked, probabilities=True))


def test_a_column_for_each_class(ensemble: dict[str, Path], test_images: Path) -> None:
    cells = "".join(f"{name},0.3,0.3,0.3\n" for name in ORDER)
    asked = template(test_images, f"id,prob_light,prob_dark,prob_mid\n{cells}")
    out = submit(ensemble["shade"], "--predict", test_images, "--template", asked)
    rows = read_submission(out, asked, probabilities=True, sums_to_one=True)
    chances = predicted(ensemble["shade"], test_images)[:, [2, 0, 1]]
    assert np.allclose([[float(cell) for cell in row[1:]] for row in rows], chances, atol=1e-6)


def test_without_a_template_ids_are_the_datas_and_labels_the_training_tables(
    ensemble: dict[str, Path], test_images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"id{number},test/{name}.png" for number, name in enumerate(ORDER)]
    (test_images.parent / "test.csv").write_text("\n".join(["image_id,path", *rows]) + "\n")
    out = submit(ensemble["shade"], "--predict", test_images.parent / "test.csv")
    written = pd.read_csv(out)
    assert list(written.columns) == ["image_id", "shade"]
    assert written["image_id"].tolist() == [f"id{number}" for number in range(5)]
    assert set(written["shade"]) <= set(SHADE.classes)
    assert (
        "template: none, so column 'image_id' as in the data and shade as in the training table; "
        "column 'shade': the class, by name\n"
    ) in capsys.readouterr().out
    table = pd.read_parquet(next(ensemble["shade"].glob("predictions-*.parquet")))
    assert table["image_id"].tolist() == written["image_id"].tolist()
    out.unlink()
    submit(ensemble["shade"], "--predict", test_images)  # images alone: their paths are their ids
    assert pd.read_csv(out)["path"].tolist() == sorted(f"{name}.png" for name in ORDER)
    out.unlink()
    submit(ensemble["shade"], "--predict", test_images, "--as", "probabilities")
    assert list(pd.read_csv(out).columns) == ["path", *SHADE.classes]


@pytest.mark.parametrize("how", [["--predict"], ["--template"], ["--images", "IMAGES", "--predict"]])
def test_a_template_is_enough_where_its_ids_lead_to_the_images(
    ensemble: dict[str, Path], test_images: Path, how: list[str]
) -> None:
    asked = template(test_images, "id,shade\n" + "".join(f"{name},\n" for name in ORDER))
    if "--images" in how:
        test_images.rename(test_images.with_name("elsewhere"))
        test_images = test_images.with_name("elsewhere")
    given = [str(test_images) if item == "IMAGES" else item for item in how]
    out = submit(ensemble["shade"], *given, asked)
    rows = read_submission(out, asked, labels=SHADE.classes)
    expected = decided_classes(ensemble["shade"], test_images)
    assert [row[1] for row in rows] == expected


def test_the_test_rows_of_a_table_with_a_split_are_predicted_in_its_order(
    ensemble: dict[str, Path], test_images: Path
) -> None:
    parts = ["test", "train", "test", "train", "test"]
    cells = [f"{name},dark,{part}" for name, part in zip(ORDER, parts, strict=True)]
    table = test_images.parent / "all.csv"
    table.write_text("\n".join(["image_id,shade,split", *cells]) + "\n")
    out = submit(ensemble["shade"], "--predict", table)
    written = pd.read_csv(out)
    assert list(written.columns) == ["image_id", "shade"]
    assert written["image_id"].tolist() == [ORDER[0], ORDER[2], ORDER[4]]


def test_one_image_and_a_pattern_are_predicted(
    ensemble: dict[str, Path], test_images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (test_images / "notes.txt").write_text("")
    folder = ensemble["shade"]
    assert main(["--ensemble", str(folder), "--predict", str(test_images / "q0.png")]) == 0
    said = capsys.readouterr().out
    assert "predicting the 1 row of " in said and "names no group" not in said
    assert main(["--ensemble", str(folder), "--predict", str(test_images / "*")]) == 0
    said = capsys.readouterr().out
    assert "/test/*: left out 1 match that is no image" in said
    assert "predicting the 5 rows of " in said
    tables = [pd.read_parquet(path) for path in folder.glob("predictions-*.parquet")]
    assert sorted(len(table) for table in tables) == [1, 5]


def test_a_template_that_does_not_fit_is_refused_before_any_work(
    runs: Path, test_images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = template(test_images, "id,shade\nq0,bright\n")
    out = ["--submission", str(runs / "s.csv"), "--template", str(asked)]
    assert main(["--runs", str(runs), "--study", "shade", "--predict", str(test_images), *out]) == 2
    captured = capsys.readouterr()
    assert "column 'shade' has 'bright' (row 1, q0), which is no class of the training table" in captured.err
    assert "members:" not in captured.out
    assert not list((runs / "shade").glob("ensemble-*")) and not (runs / "s.csv").exists()


def test_copies_of_training_images_are_predicted_with_a_warning(
    ensemble: dict[str, Path], data: Path, test_images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(data.parent / "p07-1.png", test_images / "new.png")
    out = submit(ensemble["shade"], "--predict", test_images)
    assert (
        "warning: 1 of 6 images are copies of images that were trained on (new.png is p07-1.png), so their "
        "predictions look better than they are\n"
    ) in capsys.readouterr().out
    assert len(pd.read_csv(out)) == 6
    # A folder of before contents were noted knows none; training images themselves are told by their place.
    table = pd.read_parquet(ensemble["shade"] / "trained_on.parquet").drop(columns="content")
    table.to_parquet(ensemble["shade"] / "trained_on.parquet")
    assert main(["--ensemble", str(ensemble["shade"]), "--predict", str(test_images)]) == 0
    assert "warning" not in capsys.readouterr().out


def test_a_program_writes_what_the_command_writes(ensemble: dict[str, Path], test_images: Path) -> None:
    asked = template(test_images, "id,shade\n" + "".join(f"{name},dark\n" for name in ORDER))
    out = submit(ensemble["shade"], "--predict", test_images, "--template", asked)
    mine, own = out.with_name("mine.csv"), Ensemble.load(ensemble["shade"])
    paths = [test_images / f"{name}.png" for name in sorted(ORDER)]
    said = write_submission(mine, own, paths, own.predict(paths), template=asked)
    assert said == f"template: {asked}; column 'shade': the class, by name"
    assert mine.read_bytes() == out.read_bytes()
    with pytest.raises(EnsembleError, match="exists; name another file"):
        write_submission(mine, own, paths, own.predict(paths), template=asked)
    with pytest.raises(EnsembleError, match="answer='classes' is not known; use labels or probabilities"):
        write_submission(mine, own, paths, own.predict(paths), answer="classes")


@pytest.mark.parametrize(
    "names, message",
    [
        (ORDER[:4],
         "template sample.csv: 1 of 5 ids name none of the 4 images to predict: m4; --predict must name "
         "them all"),
        ((*ORDER, "x"),
         "template sample.csv does not name 1 of the 6 images that were predicted: x.png; leave them out"),
    ],
)  # fmt: skip
def test_a_prediction_without_an_id_and_an_id_without_a_prediction(
    ensemble: dict[str, Path],
    tmp_path: Path,
    names: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sample.csv").write_text("id,shade\n" + "".join(f"{name},\n" for name in ORDER))
    chances = np.full((len(names), 3), 1 / 3, np.float32)
    with pytest.raises(EnsembleError) as refused:
        paths = [f"{name}.png" for name in names]
        write_submission("s.csv", Ensemble.load(ensemble["shade"]), paths, chances, template="sample.csv")
    assert str(refused.value) == message
    assert not Path("s.csv").exists()


# ---- several labels -------------------------------------------------------------------------------


def test_labels_are_decided_by_their_thresholds_and_listed_in_the_table(tmp_path: Path) -> None:
    task = Task(("rust", "scab"), multi_label=True)
    chances = np.array([[0.4, 0.6], [0.2, 0.45], [0.9, 0.9]], np.float32)
    labels = decided(task, chances, Thresholds((0.3, 0.5), False, 0.5, 0.4))
    assert labels.tolist() == [[1, 1], [0, 0], [1, 1]]
    assert decided(task, chances, None).tolist() == [[0, 1], [0, 0], [1, 1]]
    assert decided(Task(BOTH.classes), np.eye(6, dtype=np.float32)[[4, 1]], None).tolist() == [4, 1]
    frame = pd.DataFrame({"path": ["c.png", "a.png", "b.png"], "id": ["c", "a", "b"], "role": "test"})
    path = write_probabilities(tmp_path, Manifest(frame, tmp_path, "new"), chances, labels, task)
    table = pd.read_parquet(path)
    assert list(table.columns) == ["path", "id", "predicted", "p_rust", "p_scab"]
    assert table["path"].tolist() == ["c.png", "a.png", "b.png"]
    assert [list(item) for item in table["predicted"]] == [["rust", "scab"], [], ["rust", "scab"]]
    assert histogram(labels, task) == "rust 2, scab 2"

"""A check of data, with or without a space: what it tells, what it writes, how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from orchestrator.check import command, reporting
from orchestrator.check.__main__ import main
from orchestrator.check.record import CheckRecord, read_check
from orchestrator.check.stage_result import StageResult
from orchestrator.check.stages import Stage, run_stages
from orchestrator.core.finding import Level
from orchestrator.core.finding_codes import coded
from tests.pages.test_render import Tags

pytestmark = pytest.mark.torch


def check(data: Path, tmp_path: Path, *more: str) -> int:
    return main(["--data", str(data), "--runs", str(tmp_path / "runs"), *more])


def record(tmp_path: Path, name: str) -> CheckRecord:
    return read_check(tmp_path / "runs" / f"check-{name}" / "check.json")


def codes(tmp_path: Path, name: str) -> list[str]:
    return [finding.code for finding in record(tmp_path, name).findings]


@pytest.fixture
def own(faces: Path, tmp_path: Path) -> Path:
    """The drawn faces, to be spoilt."""
    return Path(shutil.copytree(faces.parent, tmp_path / "own")) / "faces.csv"


def test_data_alone_are_looked_at_as_a_first_space_would(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(faces, tmp_path) == 0
    said = capsys.readouterr().out
    assert 'target: categorical("tint")' in said and "tint: 2 classes" in said and "5 folds" in said
    assert "60 rows with role train; 20 groups" in said and "findings: none" in said
    found = record(tmp_path, "faces")
    assert found.rows == {"train": 60} and found.space == "" and found.exit_code == 0
    tables = {table.title: table for table in found.tables}
    assert tables["tint: 2 classes"].rows == (("blue", 30, "50.0%", 10, 3), ("red", 30, "50.0%", 10, 3))
    assert sum(int(cell) for cell in tables["5 folds"].rows[0][1:]) == 60
    assert [row[1] for row in tables["sizes in pixels"].rows] == [12, 12, 1.0]
    page = Tags((tmp_path / "runs" / "check-faces" / "check.html").read_text())
    assert sum(tag == "img" for tag, _ in page.tags) == 24 and "tint: red" in page.text
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {".cache", "check-faces"}


def test_that_nothing_names_groups_is_said_once_and_not_where_a_column_is_found_that_does(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(own)
    frame.rename(columns={"group": "plant_id"}).to_csv(own, index=False)
    assert check(own, tmp_path) == 0
    said = capsys.readouterr().out
    assert "groups: plant_id" in said and "names no group" not in said
    frame.drop(columns="group").to_csv(own, index=False)
    assert check(own, tmp_path) == 0
    assert capsys.readouterr().out.count("names no group") == 1


def test_the_same_check_writes_the_same_again(faces: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert check(faces, tmp_path, "--out", str(tmp_path / "looked")) == 0
        written = (tmp_path / "looked" / "check.html").read_bytes()
    assert check(faces, tmp_path, "--out", str(tmp_path / "again")) == 0
    assert (tmp_path / "again" / "check.html").read_bytes() == written


def test_files_that_cannot_be_read_are_a_finding_that_must_be_mended(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own.parent / "p00-0.png").write_text("<html>404</html>")
    (own.parent / "p03-1.png").write_bytes((own.parent / "p03-1.png").read_bytes()[:90])
    assert check(own, tmp_path) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "1 FO101 unreadable images 2 of 60 images cannot be read: p00-0.png (an HTML page" in said
    assert "findings: 1 must be mended" in said
    [finding] = record(tmp_path, "faces").findings
    assert finding.rows == (0, 10) and record(tmp_path, "faces").paths[10] == "p03-1.png"


def test_a_set_of_which_no_file_can_be_read_is_told_as_such(tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"nothing {number}")
    assert check(tmp_path / "data", tmp_path, "--private") == 1
    assert codes(tmp_path, "data") == ["FO101", "FO103"]
    for file in (tmp_path / "runs" / "check-data").iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_odd_images_and_rows_without_a_label_are_worth_a_look(own: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(own.parent / "p01-1.png"), np.full((12, 12, 3), 7, np.uint8))
    frame = pd.read_csv(own)
    frame.loc[5, "tint"] = None
    frame.to_csv(own, index=False)
    assert check(own, tmp_path, "--target", "tint") == 0
    assert codes(tmp_path, "faces") == ["FO102", "FO111", "FO114"]
    found = record(tmp_path, "faces")
    assert [found.paths[row] for row in found.findings[0].rows] == ["p01-2.png"]
    assert [found.paths[row] for row in found.findings[1].rows] == ["p01-1.png"]


def test_a_space_gives_its_own_targets_and_folds_and_what_is_odd_all_the_same(
    own: Path, space_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(own.parent / "p01-1.png"), np.full((12, 12, 3), 250, np.uint8))
    assert check(own, tmp_path, "--space", str(space_file)) == 0
    said = capsys.readouterr().out
    assert "9 trials x 3 folds x 4 epochs" in said and "1 parameter varies" in said and "3 folds" in said
    assert set(codes(tmp_path, "faces")) == {"FO112", "FO114"}
    assert record(tmp_path, "faces").space == str(space_file)


def test_a_class_in_too_few_groups_must_be_mended(own: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(own)
    frame.loc[frame["group"] == "p00", "tint"] = "green"
    frame.to_csv(own, index=False)
    assert check(own, tmp_path) == 1
    assert {"FO103", "FO133"} <= set(codes(tmp_path, "faces"))


def test_a_folder_per_class_says_the_target_however_few_rows_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label, value in (("a", 90), ("b", 160)):
        (tmp_path / "two" / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "two" / label / "1.png"), np.full((12, 12, 3), value, np.uint8))
    assert check(tmp_path / "two", tmp_path) == 1
    said = capsys.readouterr().out
    assert "labels: not looked at" not in said and 'target: categorical("label")' in said
    assert {"FO103", "FO133"} <= set(codes(tmp_path, "two"))


def test_too_few_groups_for_any_folds_are_told_without_a_class(own: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(own).assign(group="p00")
    frame.to_csv(own, index=False)
    assert check(own, tmp_path, "--target", "tint") == 1
    [found] = [item for item in record(tmp_path, "faces").findings if item.code == "FO133"]
    assert found.found.startswith("1 group cannot fill ")
    assert found.way_out == "collect more groups, or look at what the rows are grouped by"


def test_copies_with_two_labels_are_told_without_an_option_that_nobody_gave(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(own.parent / "p00-0.png", own.parent / "again.png")
    frame = pd.read_csv(own)
    other = "blue" if frame.set_index("path")["tint"]["p00-0.png"] == "red" else "red"
    frame.loc[len(frame)] = {**frame.iloc[0].to_dict(), "path": "again.png", "group": "p00", "tint": other}
    frame.to_csv(own, index=False)
    check(own, tmp_path, "--target", "tint")
    said = capsys.readouterr().out
    assert "both labels are kept\n" in said and "--on-conflict keep" not in said
    assert "FO123" in codes(tmp_path, "faces")


def test_where_nothing_is_plainly_the_target_the_images_are_looked_at_alone(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(faces.parent, tmp_path / "flat", ignore=shutil.ignore_patterns("*.csv"))
    assert check(tmp_path / "flat", tmp_path) == 0
    said = capsys.readouterr().out
    assert "labels: not looked at: " in said and "60 rows with role test" in said
    assert (
        sum(tag == "img" for tag, _ in Tags(next(tmp_path.glob("runs/*/check.html")).read_text()).tags) == 24
    )


def test_the_page_of_the_demo_is_headed_by_its_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headed = list[str]()

    def report(look: object, source: str, *_: object) -> int:
        headed.append(source)
        return 0

    for name in ("check_settings", "_table", "look_at_study"):  # which draw the faces, for seconds
        monkeypatch.setattr(command, name, lambda *_: SimpleNamespace(accepted={}, data=None))
    monkeypatch.setattr(command, "report", report)
    monkeypatch.setattr(command, "check_images", lambda *_: None)
    assert main(["--space", "age", "--scale", "smoke", "--runs", str(tmp_path / "runs")]) == 0
    assert headed == ["the embedded demo faces"]


def test_what_is_fine_is_a_fact_and_no_finding(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = coded("FO131", Level.OK, "nothing suggests any")
    stage = Stage("Fine", lambda look: StageResult((fine,)))
    monkeypatch.setattr(reporting, "run_stages", lambda look: run_stages(look, [stage]))
    assert check(faces, tmp_path) == 0
    found = record(tmp_path, "faces")
    assert found.findings == () and "FO131 no groups: nothing suggests any" in found.lines


def test_images_to_predict_are_looked_at_with_the_others(faces: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    cv2.imwrite(str(folder / "bright.png"), np.full((12, 12, 3), 255, np.uint8))
    assert check(faces, tmp_path, "--predict", str(folder)) == 0
    found = record(tmp_path, "faces")
    assert found.rows == {"train": 60, "test": 1}
    assert {Path(found.paths[row]).name for item in found.findings for row in item.rows} == {"bright.png"}


def test_names_from_data_neither_run_in_the_page_nor_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    evil = "<img src=x onerror=alert(1)>\x1b[2J"
    for label in (evil, "<script>alert(2)<"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(6):
            name = tmp_path / "data" / label / f"{number}<i>\x1b[1m.png"
            cv2.imwrite(str(name), rng.integers(0, 256, (16, 16, 3)).astype(np.uint8))
    (name.parent / "broken<u>.png").write_text("nothing")
    assert check(tmp_path / "data", tmp_path) == 1
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err and "\\x1b[2J" in said.out
    page = (tmp_path / "runs" / "check-data" / "check.html").read_text()
    assert not [tag for tag, _ in Tags(page).tags if tag in ("script", "i", "u")]
    assert "\x1b" not in page and "onerror=alert(1)&gt;" in page
    assert json.loads((tmp_path / "runs" / "check-data" / "check.json").read_text())["exit_code"] == 1


def test_copies_are_shown_side_by_side(own: Path, tmp_path: Path) -> None:
    """One with the same pixels in another file, one resized."""
    for number in range(8):
        cv2.imwrite(str(own.parent / f"p0{number}-0.png"), drawn(np.random.default_rng(number)))
    image = cv2.imread(str(own.parent / "p00-0.png"))
    assert image is not None
    cv2.imwrite(str(own.parent / "p02-1.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    for name, scale in (("p04-1.png", 0.7), ("p00-1.png", 0.8)):  # of another group, and of its own
        cv2.imwrite(str(own.parent / name), cv2.resize(image, None, fx=scale, fy=scale))
    check(own, tmp_path)
    found = record(tmp_path, "faces")
    pairs = {
        item.code: [[found.paths[row] for row in pair] for pair in item.pairs] for item in found.findings
    }
    assert pairs["FO121"] == [["p00-0.png", "p02-1.png"]]
    assert ["p00-0.png", "p04-1.png"] in pairs["FO122"] and ["p00-0.png", "p00-1.png"] not in pairs["FO122"]
    assert "copies: 1 pair of near duplicates within a group, which no fold tears apart" in found.lines
    page = Tags((tmp_path / "runs" / "check-faces" / "check.html").read_text())
    assert (
        sum(tag == "figure" and attributes.get("class") == "together" for tag, attributes in page.tags) >= 2
    )


@pytest.mark.parametrize(
    "words, says",
    [
        ([], "check needs --data, --space or both"),
        (["--data", "DATA", "--set", "lr=1"], "--set needs --space"),
        (["--data", "DATA", "--augmentations", "a.png"], "--augmentations needs --space"),
        (["--data", "DATA", "--space", "age", "--target", "tint"], "--target goes without --space"),
        (["--data", "DATA", "--out", "HERE"], "holds no check of these data"),
        (["--data", "DATA/none.csv"], "none.csv"),
        (["--data", "DATA", "--target", "tnt"], "tnt"),
        (
            ["--data", "DATA", "--pretrained", "none.safetensors"],
            "error: --pretrained none.safetensors: no such file; give a .safetensors file, or hub",
        ),
        (["--data", "DATA", "--label-fixes", "none.csv"], "none.csv"),
        (["--data", "DATA", "--drop-rare", "900"], "--drop-rare 900"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], says: str, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    words = [word.replace("DATA", str(faces)).replace("HERE", str(tmp_path)) for word in words]
    assert main([*words, "--runs", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr().err
    assert says in said and len(said.splitlines()) <= 2 and "Traceback" not in said


def test_weights_that_are_not_there_are_refused_before_anything_is_looked_at(
    faces: Path, space_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--space", str(space_file)]):
        assert check(faces, tmp_path, "--pretrained", "none.safetensors", *more) == 2
        assert capsys.readouterr().out == "" and not (tmp_path / "runs").exists()


def test_clean_drawn_sets_have_no_finding(tmp_path: Path) -> None:
    """Shapes on coloured grounds, of 20 seeds, in two classes and in groups of two."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        folder = tmp_path / f"set{seed}"
        folder.mkdir()
        lines = ["path,group,label"]
        for number in range(24):
            cv2.imwrite(str(folder / f"{number}.png"), drawn(rng))
            lines.append(f"{number}.png,g{number // 2},{'ab'[number // 2 % 2]}")
        (folder / "rows.csv").write_text("\n".join(lines) + "\n")
        assert check(folder / "rows.csv", tmp_path, "--out", str(folder / "check")) == 0
        assert read_check(folder / "check" / "check.json").findings == ()


def drawn(rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A few shapes on a ground of two colours, with the noise of a camera."""
    height, width = rng.integers(60, 100, 2).tolist()
    ends = rng.integers(40, 216, (2, 3))
    image = np.linspace(ends[0], ends[1], height)[:, None, :].repeat(width, axis=1).astype(np.uint8)
    for _ in range(6):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(image, centre, int(rng.integers(6, 20)), rng.integers(0, 256, 3).tolist(), -1)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)

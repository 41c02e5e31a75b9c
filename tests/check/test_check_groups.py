"""What check says of copies and groups, what it writes, and that a search takes it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from orchestrator.check.__main__ import main as check
from orchestrator.core.errors import FoldPlanError
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.study_data import StudyData, gather_data
from orchestrator.space import SearchSpace, categorical

pytestmark = pytest.mark.torch


def picture(rng: np.random.Generator, size: int = 96) -> np.ndarray:
    """Smooth blobs, as photographs have; noise alone would be like nothing after it is resized."""
    coarse = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def written(root: Path, pictures: int = 30) -> Path:
    """photos/a and photos/b, of random pictures, half of each class; no two alike."""
    rng = np.random.default_rng(7)
    for number in range(pictures):
        path = root / "photos" / "ab"[number % 2] / f"{rng.integers(2**62):x}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture(rng))
    return root / "photos"


def first(photos: Path, kind: str) -> Path:
    return sorted((photos / kind).iterdir())[0]


def findings(root: Path, photos: Path, *more: str) -> dict[str, Any]:
    """By their codes."""
    check(["--data", str(photos), "--runs", str(root / "runs"), "--out", str(root / "out"), *more])
    record = json.loads((root / "out" / "check.json").read_text())
    return {item["code"]: item for item in record["findings"]}


def searched(root: Path, data: Path, **options: Any) -> tuple[StudyData, list[str]]:
    said: list[str] = []
    space = SearchSpace(
        trainable="tests.pixel_trainable:PixelTrainable",
        target=categorical("label"),
        folds=2,
        params={"lr": 0.1},
    )
    asked = DataOptions(data=str(data), runs=root / "runs", **options)
    return gather_data(asked, space, 0, said.append), said


def test_the_same_pixels_under_two_labels_block(tmp_path: Path) -> None:
    photos = written(tmp_path)
    pixels = cv2.imread(str(first(photos, "a")))
    cv2.imwrite(str(photos / "b" / "same.bmp"), pixels)  # other bytes
    found = findings(tmp_path, photos)
    assert found["FO123"]["level"] == "blocks"
    assert "1 image with another label than an identical one" in found["FO123"]["found"]


def test_near_duplicates_are_written_into_one_group_and_a_search_keeps_them_in_one_fold(
    tmp_path: Path,
) -> None:
    photos = written(tmp_path)
    original = first(photos, "a")
    pixels = cv2.imread(str(original))
    copies = [photos / "a" / f"copy{number}.jpg" for number in range(3)]
    for quality, copy in zip((40, 60, 80), copies, strict=True):
        cv2.imwrite(str(copy), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    found = findings(tmp_path, photos, "--write-groups", str(tmp_path / "groups.csv"))
    assert "FO122" in found
    data, _ = searched(tmp_path, tmp_path / "groups.csv")
    places = [(Path(data.dataset.root) / path).resolve() for path in data.dataset.paths]
    assert sorted(places) == sorted(path.resolve() for path in photos.glob("*/*"))
    rows = [places.index(path.resolve()) for path in (original, *copies)]
    assert len(set(data.dataset.folds[rows])) == 1
    assert len(set(data.rows.manifest.frame["group"].iloc[rows])) == 1


def test_a_search_of_files_that_were_checked_knows_their_near_duplicates(tmp_path: Path) -> None:
    photos = written(tmp_path, 12)
    pixels = cv2.imread(str(first(photos, "a")))
    for number in range(6):
        cv2.imwrite(str(photos / "ab"[number % 2] / f"c{number}.jpg"), pixels, [1, 60 + 5 * number])
    _, said = searched(tmp_path, photos)
    assert not [text for text in said if text.startswith("warning:")]
    findings(tmp_path, photos)
    _, said = searched(tmp_path, photos)  # nothing was learned from groups, so it is a warning
    assert [text for text in said if text.startswith("warning: the folds tear 1 cluster of near duplicates")]
    with pytest.raises(FoldPlanError, match="the folds tear 1 cluster"):
        searched(tmp_path, photos, torn_clusters="refuse")


def test_patients_in_the_names_are_suggested_with_an_option_that_check_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(8)
    for patient in range(12):
        for cell in range(4):
            path = (
                tmp_path
                / "cells"
                / "ab"[patient % 2]
                / f"C{40 + patient // 4}P{patient}thin_cell_{cell}7.png"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture(rng, 48))
    found = findings(tmp_path, tmp_path / "cells", "--suggest-groups")
    said = found["FO132"]
    assert "12 groups" in said["found"]
    pattern = re.search(r"--group-pattern '(.+)'", said["way_out"])
    assert pattern is not None
    capsys.readouterr()
    findings(tmp_path, tmp_path / "cells", "--suggest-groups", "--group-pattern", pattern[1])
    assert "no name, folder, column or time suggests groups beyond those that are given" in (
        capsys.readouterr().out
    )


def test_a_suggestion_is_applied_only_by_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(9)
    for scene in range(8):
        for image in range(3):
            path = tmp_path / "set" / "ab"[scene % 2] / f"scene{scene}" / f"{image}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture(rng, 48))
    groups, plain = tmp_path / "groups.csv", tmp_path / "plain.csv"
    findings(tmp_path, tmp_path / "set", "--suggest-groups", "--write-groups", str(plain))
    assert "24 rows in 24 groups (24 before)" in capsys.readouterr().out
    findings(tmp_path, tmp_path / "set", "--use-suggestion", "1", "--write-groups", str(groups))
    assert "24 rows in 8 groups (24 before)" in capsys.readouterr().out
    data, _ = searched(tmp_path, groups)
    assert data.rows.manifest.frame["group"].nunique() == 8
    wrong = ["--data", str(tmp_path / "set"), "--runs", str(tmp_path / "runs"), "--use-suggestion", "7"]
    assert check(wrong) == 2
    assert "--use-suggestion goes with --write-groups FILE" in capsys.readouterr().err
    before = groups.read_bytes()
    assert check([*wrong, "--write-groups", str(groups)]) == 2
    assert f"--write-groups {groups} exists; name a new file" in capsys.readouterr().err
    assert groups.read_bytes() == before
    assert check([*wrong, "--write-groups", str(tmp_path / "never.csv")]) == 2
    assert "--use-suggestion 7: there " in capsys.readouterr().err
    assert not (tmp_path / "never.csv").exists()


def test_images_to_predict_neither_hide_what_names_suggest_nor_are_told_to_join(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    (tmp_path / "new").mkdir()
    for patient in range(12):
        for cell in range(4):
            path = tmp_path / "cells" / "ab"[patient % 2] / f"patient{patient:02d}_{cell}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            drawn = picture(rng, 48)
            cv2.imwrite(str(path), drawn)
            if cell == 0 and patient < 6:  # a copy in other bytes, and one encoded anew
                name = str(tmp_path / "new" / f"{'xyz'[patient % 3]}{patient}")
                cv2.imwrite(name + (".bmp" if patient < 3 else ".jpg"), drawn)
    predict = ["--predict", str(tmp_path / "new"), "--suggest-groups"]
    groups = tmp_path / "groups.csv"
    found = findings(
        tmp_path, tmp_path / "cells", *predict, "--use-suggestion", "1", "--write-groups", str(groups)
    )
    assert "12 groups" in found["FO132"]["found"]
    assert len({line.split(",")[1] for line in groups.read_text().splitlines()[1:]}) == 12
    assert "FO121" not in found and "FO122" not in found  # FO127 tells of them
    assert "6 of 6 images with role test are copies of training images" in found["FO127"]["found"]


def test_names_that_hold_all_classes_are_told_of_and_not_suggested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(8)
    for number in range(96):
        path = tmp_path / "pt" / "ab"[number % 2] / f"patient{number // 8:02d}_tile_{number % 8 // 2}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture(rng, 48))
    assert "FO132" not in findings(tmp_path, tmp_path / "pt", "--suggest-groups")
    said = capsys.readouterr().out
    assert "not suggested: the file names say patient: 12 groups such as patient00, " in said
    assert "if they belong together all the same: --group-pattern " in said
    assert "no name, folder, column or time suggests groups" not in said

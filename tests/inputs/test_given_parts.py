"""What a table says of parts and folds decides what is trained on, and is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.study_data import StudyData, gather_data
from orchestrator.space import SearchSpace, categorical


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """train.csv (id, label, split, fold) of 24 images: every third row is of val, every fourth of test."""
    lines = ["id,label,split,fold"]
    (tmp_path / "images").mkdir()
    for row in range(24):
        (tmp_path / "images" / f"{row:02d}.png").write_bytes(f"image {row}".encode())
        split = "test" if row % 4 == 3 else "val" if row % 3 == 0 else "train"
        fold = -1 if split == "test" else row % 2
        lines.append(f"{row:02d},{'ab'[row // 4 % 2]},{split},{fold}")
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "train.csv"


def gathered(table: Path, **changes: Any) -> tuple[StudyData, list[str]]:
    said: list[str] = []
    space = SearchSpace(
        trainable="tests.pixel_trainable:PixelTrainable",
        target=categorical("label", ["a", "b"]),
        params={"lr": 0.1},
        **{"folds": 2, **changes},
    )
    options = DataOptions(data=str(table), runs=table.parent / "runs")
    return gather_data(options, space, 0, said.append), said


def names(data: StudyData, rows: Any) -> set[int]:
    return {int(Path(data.dataset.paths[row]).stem) for row in rows}


TEST = set(range(3, 24, 4))


def test_rows_of_a_given_test_part_are_in_no_fold_and_no_training_part(table: Path) -> None:
    data, said = gathered(table)
    known = [
        names(data, data.dataset.training_rows(f)) | names(data, data.dataset.validation_rows(f))
        for f in (0, 1)
    ]
    assert known == [set(range(24)) - TEST] * 2
    assert said[:2] == [
        "images: column id, images/<id>.png, 24 of 24",
        "split: column split: train 12, val 6, test 6; test rows are never trained on; val rows are in the "
        "folds (or fold_column='split')",
    ]


def test_a_given_validation_part_is_the_only_one_when_that_is_asked(table: Path) -> None:
    data, _ = gathered(table, folds=1, fold_column="split")
    val = set(range(0, 24, 3)) - TEST
    assert names(data, data.dataset.validation_rows(0)) == val
    assert names(data, data.dataset.training_rows(0)) == set(range(24)) - TEST - val


def test_rows_that_a_fold_column_holds_out_are_in_no_training_part(table: Path) -> None:
    table.write_text(table.read_text().replace(",split,", ",part_of_it,").replace("test", "train"))
    data, said = gathered(table, fold_column="fold")
    for fold in (0, 1):
        assert (
            names(data, data.dataset.validation_rows(fold))
            == {row for row in range(24) if row % 2 == fold} - TEST
        )
        assert not names(data, data.dataset.training_rows(fold)) & TEST
    assert "held out: 6 rows with fold -1, never trained on" in said


def test_rows_that_are_all_of_test_are_nothing_to_search_with(table: Path) -> None:
    text = table.read_text().replace("train", "test").replace("val", "test")
    table.write_text(text)
    with pytest.raises(ManifestError, match="every row has role test; a search needs rows with role train"):
        gathered(table)


def test_images_of_which_nothing_is_said_are_refused_with_how_to_say_it(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_text("image")
    with pytest.raises(ManifestError) as caught:
        gathered(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: every row has role test, because nothing says what its images show; if their names do, "
        "give --class-pattern, if a table does, --labels; a search needs rows with role train"
    )

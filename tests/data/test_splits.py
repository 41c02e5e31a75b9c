"""Given splits: test never trains, and it is said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.manifest import load_manifest
from orchestrator.data.splits import roles_of, split_column, split_of, split_of_folder


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (["train", "Training", " TRAIN "], "train"),
        (["val", "valid", "Validation", "dev"], "val"),
        (["test", "testing", "eval", "holdout", "PublicTest"], "test"),
        (["trains", "contest", "1", "", "0"], None),
    ],
)
def test_what_parts_are_called(names: list[str], split: str | None) -> None:
    assert {split_of(name) for name in names} == {split}


def test_folders_may_say_it_among_other_words() -> None:
    found = [
        split_of_folder(name)
        for name in ("train_images", "seg-test", "Validation set", "contest", "train_test")
    ]
    assert found == ["train", "test", "val", None, None]


@pytest.mark.parametrize(
    ("columns", "column"),
    [
        ({"split": ["train", "test", "val"]}, "split"),
        ({"Split": ["train", "test", "val"]}, "Split"),
        ({"set": ["test", "test", "test"]}, "set"),
        ({"subset": ["train", "train", "train"]}, "subset"),
        ({"data set": ["train", "test", "train"]}, "data set"),
        ({"is_train": [1, 1, 0]}, "is_train"),
        ({"Is Training Image": ["True", "True", "False"]}, "Is Training Image"),
        ({"is_test": [1, 1, 1]}, "is_test"),
        ({"is_train": [1, 2, 0]}, None),
        ({"is_tumor": [1, 1, 0]}, None),
        ({"exam": ["test", "test", "test"]}, None),
        ({"vehicle": ["train", "bus", "train"]}, None),
        ({"split": ["0", "1", "2"]}, None),
        ({"split": ["train", "unlabelled", "train"]}, None),
        ({"split": ["train", "test", "val"], "part": ["Train", "testing", "valid"]}, "split"),
    ],
)
def test_a_column_is_one_of_parts_if_all_its_cells_are(
    columns: dict[str, list[object]], column: str | None
) -> None:
    frame = pd.DataFrame({"path": ["1.png", "2.png", "3.png"], **columns})
    assert split_column(frame, Path("t.csv")) == column


@pytest.mark.parametrize(
    ("column", "cells", "roles"),
    [
        ("is_train", [0, 1], ["test", "train"]),
        ("is_test", ["False", "True"], ["train", "test"]),
        ("is_val", [True, False], ["train", "train"]),
    ],
)
def test_a_flag_says_the_part(column: str, cells: list[object], roles: list[str]) -> None:
    frame = pd.DataFrame({"path": ["1.png", "2.png"], column: cells})
    assert split_column(frame, Path("t.csv")) == column
    assert roles_of(frame, column)[0] == roles


def test_rows_of_test_have_that_role_and_rows_of_val_train() -> None:
    frame = pd.DataFrame({"split": ["val", "test", "train", "train"]})
    roles, line = roles_of(frame, "split")
    assert roles == ["train", "test", "train", "train"]
    assert line == (
        "split: column split: train 2, val 1, test 1; test rows are never trained on; val rows are in the "
        "folds (or fold_column='split')"
    )


def test_a_column_role_speaks_before_a_column_of_parts(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"image")
    (tmp_path / "t.csv").write_text("path,role,split\n1.png,train,test\n2.png,extra,train\n")
    manifest = load_manifest(tmp_path / "t.csv")
    assert manifest.frame["role"].tolist() == ["train", "extra"] and manifest.found == ()


def test_a_group_on_both_sides_of_a_given_split_is_refused(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"image")
    (tmp_path / "t.csv").write_text("path,group,split\n1.png,p,test\n2.png,p,train\n")
    with pytest.raises(ManifestError, match="group 'p' has rows with the roles test and train"):
        load_manifest(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("column", "cells", "is_told"),
    [
        ("partition", [0, 1, 2], True),
        ("Split", ["1", "2", "2"], True),
        ("partition", [0, 3, 7], False),
        ("fold", [0, 1, 2], False),
        ("partition", ["train", "test", "val"], False),
    ],
)
def test_parts_that_are_numbers_are_told_of_and_not_guessed(
    column: str, cells: list[object], is_told: bool, tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_text("image")
    paths = [f"{number}.png" for number in range(3)]
    pd.DataFrame({"path": paths, "label": ["a", "b", "c"], column: cells}).to_csv(
        tmp_path / "t.csv", index=False
    )
    notes = load_manifest(tmp_path / "t.csv").notes
    told = [note for note in notes if "is not read as train, val and test" in note]
    assert len(told) == is_told
    if is_told:
        assert load_manifest(tmp_path / "t.csv").frame["role"].tolist() == ["train"] * 3

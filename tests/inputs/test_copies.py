"""Copies of an image never lie on both sides of a fold unseen, and never with two labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core.errors import FoldPlanError, InputError, ManifestError
from orchestrator.data.known_clusters import remember_clusters
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.study_data import StudyData, gather_data
from orchestrator.space import SearchSpace, categorical
from orchestrator.study.header import StudyHeader


def gathered(data: Path, space: dict[str, Any] | None = None, **options: Any) -> tuple[StudyData, list[str]]:
    said: list[str] = []
    own = {"target": categorical("label"), "folds": 2, **(space or {})}
    made = SearchSpace(trainable="tests.pixel_trainable:PixelTrainable", params={"lr": 0.1}, **own)
    asked = DataOptions(data=str(data), runs=data.parent / "runs", **options)
    return gather_data(asked, made, 0, said.append), said


def written(root: Path, *rows: str, header: str = "path,label") -> Path:
    """A table; an image's content is the letters of its name without the digits."""
    lines = [header]
    for row in rows:
        path = root / row.split(",", 1)[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.stem.rstrip("0123456789").encode())
        lines.append(row)
    (root / "rows.csv").write_text("\n".join(lines) + "\n")
    return root / "rows.csv"


PLAIN = [f"{'abcdefghijkl'[number]}.png,{'xy'[number % 2]}" for number in range(12)]


def fold_of(data: StudyData, path: str) -> int:
    return int(data.dataset.folds[data.dataset.paths.index(path)])


def leaked(data: StudyData) -> float:
    """The share of rows whose very content was trained on by the model that validates them."""
    held = [(Path(data.dataset.root) / path).read_bytes() for path in data.dataset.paths]
    known = 0
    for fold in range(data.plan.k):
        learned = {held[row] for row in data.dataset.training_rows(fold)}
        known += sum(held[row] in learned for row in data.dataset.validation_rows(fold))
    return known / len(held)


def test_random_pictures_that_are_there_six_times_teach_nothing_of_their_copies(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for picture in range(16):
        content = rng.bytes(90)
        for copy in range(6):
            path = tmp_path / "photos" / "ab"[picture % 2] / f"{picture}_copy{copy}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    data, said = gathered(tmp_path / "photos")
    assert leaked(data) == 0
    assert data.rows.manifest.frame["group"].nunique() == 16
    (line,) = [text for text in said if text.startswith("copies:")]
    assert line.startswith(
        "copies: 80 of 96 images hold the same as another (a/0_copy0.png = a/0_copy1.png, "
    )
    assert line.endswith("copies share a group, so 96 groups became 16")
    assert data.rows.header["copies"] == {"images": 80, "groups_given": 96, "groups": 16}


def test_links_that_a_table_names_share_the_group_of_their_file(tmp_path: Path) -> None:
    table = written(tmp_path, *PLAIN, "more/z.png,x")
    (tmp_path / "more" / "z.png").unlink()
    (tmp_path / "more" / "z.png").symlink_to("../a.png")
    data, _ = gathered(table)
    assert leaked(data) == 0
    assert fold_of(data, "more/z.png") == fold_of(data, "a.png")


def test_given_groups_are_joined_by_the_copies_that_they_share(tmp_path: Path) -> None:
    rows = [f"{row},p{number}" for number, row in enumerate(PLAIN)]
    table = written(tmp_path, *rows, "a2.png,x,p1", "b2.png,y,p2", header="path,label,patient")
    data, _ = gathered(table, {"group": "patient"})
    frame = data.rows.manifest.frame.set_index("path")
    # p1 has a copy of p0's image, and p2 one of p1's.
    joined = ["a.png", "b.png", "c.png", "a2.png", "b2.png"]
    assert frame.loc[joined, "group"].tolist() == ["p0"] * 5
    assert frame.loc[joined, "given_group"].tolist() == ["p0", "p1", "p2", "p1", "p2"]
    assert frame.loc[joined, "patient"].tolist() == ["p0", "p1", "p2", "p1", "p2"]
    assert len({fold_of(data, path) for path in joined}) == 1


def test_an_image_that_stands_for_many_is_warned_of_because_it_makes_one_group_of_all(tmp_path: Path) -> None:
    rows = [f"{row},p{number}" for number, row in enumerate(PLAIN)]
    black = [f"black{number}.png,{'xy'[number % 2]},p{number}" for number in range(6)]
    table = written(tmp_path, *rows, *black, header="path,label,patient")
    _, said = gathered(table, {"group": "patient"}, on_conflict="drop")
    assert any(
        text.startswith("warning: the image black0.png is in 6 groups, which it makes one") for text in said
    )


def test_a_set_without_copies_is_as_it_was_and_nothing_is_said_of_them(tmp_path: Path) -> None:
    data, said = gathered(written(tmp_path, *PLAIN))
    assert "given_group" not in data.rows.manifest.frame
    assert "copies" not in data.rows.header
    assert not [text for text in said if text.startswith(("copies:", "warning:"))]


def test_groups_joined_by_copies_still_refuse_extra_rows_of_either_name(tmp_path: Path) -> None:
    rows = [f"{row},p{number}" for number, row in enumerate(PLAIN)]
    table = written(tmp_path / "set", *rows, "a2.png,x,p1", header="path,label,patient")
    more = written(tmp_path / "more", "other.png,x,p1", header="path,label,patient")
    with pytest.raises(ManifestError, match="1 of its groups are in rows too: p1"):
        gathered(table, {"group": "patient"}, extra=[more])


# ---- two labels -----------------------------------------------------------------------------------

AT_ODDS = [*PLAIN, "a2.png,y", "c2.png,x"]  # a is x and y; c is x twice


def test_an_image_with_two_labels_is_refused_with_both_paths_and_both_labels(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as refused:
        gathered(written(tmp_path, *AT_ODDS))
    assert str(refused.value) == (
        "1 image with another label than a copy: a.png (label x) = a2.png (label y); one of the labels is "
        "wrong. Correct it (--label-fixes), or leave all copies of such images out (--on-conflict drop); "
        "--on-conflict keep trains on both"
    )


def test_drop_leaves_out_every_copy_of_such_an_image_and_the_study_remembers(tmp_path: Path) -> None:
    data, said = gathered(written(tmp_path, *AT_ODDS), on_conflict="drop")
    assert {"a.png", "a2.png"}.isdisjoint(data.dataset.paths)
    assert {"c.png", "c2.png"} <= set(data.dataset.paths)
    assert data.rows.header["label_rules"] == {
        "conflicts": {"on_conflict": "drop", "rows": 2, "left_out": ["a.png", "a2.png"]}
    }
    assert any(text.endswith("2 rows left out (--on-conflict drop)") for text in said)


def test_keep_trains_on_both_but_in_one_fold(tmp_path: Path) -> None:
    data, said = gathered(written(tmp_path, *AT_ODDS), on_conflict="keep")
    assert leaked(data) == 0
    assert data.rows.header["label_rules"]["conflicts"] == {"on_conflict": "keep", "rows": 2}
    assert any(text.startswith("warning: 1 image with another label") for text in said)


def test_a_label_that_no_target_reads_is_no_conflict(tmp_path: Path) -> None:
    rows = [f"{row},{number}" for number, row in enumerate(PLAIN)]
    data, _ = gathered(written(tmp_path, *rows, "a2.png,x,99", header="path,label,age"))
    assert "a2.png" in data.dataset.paths


def test_a_copy_without_a_label_contradicts_nothing(tmp_path: Path) -> None:
    table = written(tmp_path, *PLAIN, "a2.png,")
    data, _ = gathered(table, {"target": categorical("label", missing="drop")})
    assert "a2.png" not in data.dataset.paths


def test_another_word_than_the_three_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--on-conflict merge: use error, drop, keep"):
        gathered(written(tmp_path, *PLAIN), on_conflict="merge")


# ---- two roles ------------------------------------------------------------------------------------

ROLES = [f"{row},train" for row in PLAIN]


def test_a_test_image_that_is_a_copy_of_a_training_image_is_told_of(tmp_path: Path) -> None:
    rows = [*ROLES, "a2.png,x,test", "z.png,y,test"]
    data, said = gathered(written(tmp_path, *rows, header="path,label,role"))
    (line,) = [text for text in said if text.startswith("warning:")]
    assert line.startswith(
        "warning: 1 of 2 images with role test are copies of training images: a2.png = a.png;"
    )
    assert data.rows.manifest.frame["path"].tolist() == [row.split(",")[0] for row in PLAIN]


def test_an_extra_image_that_is_a_copy_of_one_to_be_judged_is_refused(tmp_path: Path) -> None:
    rows = [*ROLES, "a2.png,x,extra"]
    with pytest.raises(ManifestError, match="1 image with role extra of which a copy is to be judged"):
        gathered(written(tmp_path, *rows, header="path,label,role"))


# ---- folds that are given -----------------------------------------------------------------------------


def with_folds(root: Path, fold_of_copy: int) -> Path:
    rows = [f"{row},{number // 2 % 2}" for number, row in enumerate(PLAIN)]
    return written(root, *rows, f"a2.png,x,{fold_of_copy}", header="path,label,part")


def test_a_fold_column_that_tears_copies_is_refused_with_both_paths(tmp_path: Path) -> None:
    with pytest.raises(FoldPlanError, match="'part' puts 1 copy of an image into another fold: a"):
        gathered(with_folds(tmp_path, 1), {"fold_column": "part"})


def test_it_is_kept_with_a_warning_where_that_is_asked_for(tmp_path: Path) -> None:
    data, said = gathered(with_folds(tmp_path, 1), {"fold_column": "part"}, torn_clusters="warn")
    assert (fold_of(data, "a.png"), fold_of(data, "a2.png")) == (0, 1)
    assert data.rows.header["copies"] == {"torn_by_fold_column": 1}
    assert any(text.startswith("warning: fold column 'part' puts 1 copy") for text in said)


def test_a_fold_column_that_keeps_copies_together_stands(tmp_path: Path) -> None:
    data, _ = gathered(with_folds(tmp_path, 0), {"fold_column": "part"})
    assert fold_of(data, "a.png") == fold_of(data, "a2.png") == 0


# ---- what check found -----------------------------------------------------------------------------


def checked(table: Path, clusters: dict[str, int], precision: float | None, exact: bool = False) -> None:
    """As `check` leaves it: images of one number are near duplicates, or have the same pixels."""
    names = [row.split(",")[0] for row in table.read_text().splitlines()[1:]]
    alone = np.arange(len(names)) + 100
    codes = np.array([clusters.get(name, own) for name, own in zip(names, alone, strict=True)])
    found = Duplicates(
        codes if exact else alone,
        np.zeros((0, 2), np.int64),
        np.zeros(0, np.float32),
        codes,
        "by a rule.",
        precision,
    )
    remember_clusters(table.parent / "runs" / ".cache", table.parent, names, found)


ALL_X = dict.fromkeys((row.split(",")[0] for row in PLAIN if row.endswith("x")), 0)
"""Six images; any two folds with both classes tear them."""


def test_folds_that_tear_near_duplicates_are_refused_where_those_are_certain(tmp_path: Path) -> None:
    table = written(tmp_path, *PLAIN)
    checked(table, ALL_X, 0.992)
    with pytest.raises(FoldPlanError, match="the folds tear 1 cluster of near duplicates that") as refused:
        gathered(table)
    assert "--write-groups FILE" in str(refused.value)
    _, said = gathered(table, torn_clusters="warn")
    assert any("warning: the folds tear 1 cluster" in text for text in said)


@pytest.mark.parametrize("precision", [None, 0.98])
def test_folds_that_tear_what_may_be_two_things_are_warned_of(
    tmp_path: Path, precision: float | None
) -> None:
    table = written(tmp_path, *PLAIN)
    checked(table, ALL_X, precision)
    _, said = gathered(table)
    assert any("warning: the folds tear 1 cluster" in text for text in said)
    with pytest.raises(FoldPlanError, match="the folds tear 1 cluster"):
        gathered(table, torn_clusters="refuse")


def test_near_duplicates_that_are_always_trained_on_are_torn_from_what_is_validated(tmp_path: Path) -> None:
    rows = [f"{row},{'train' if number < 4 else 'val'}" for number, row in enumerate(PLAIN)]
    table = written(tmp_path, *rows, header="path,label,part")
    checked(table, {"a.png": 0, "e.png": 0}, 0.995)
    with pytest.raises(FoldPlanError, match=r"a.png \(always trained on\) ~ e.png \(fold 0\)"):
        gathered(table, {"fold_column": "part", "folds": 1})


def test_images_that_check_found_to_have_the_same_pixels_share_a_group(tmp_path: Path) -> None:
    table = written(tmp_path, *PLAIN)
    checked(table, {"a.png": 0, "c.png": 0}, None, exact=True)
    data, _ = gathered(table)
    assert fold_of(data, "a.png") == fold_of(data, "c.png")


def test_a_header_keeps_what_became_of_copies(tmp_path: Path) -> None:
    header = StudyHeader("s", {"metric": "accuracy", "mode": "max"}, copies={"images": 3})
    assert StudyHeader.from_json(header.to_json()).copies == {"images": 3}
    assert "copies" not in StudyHeader("s", {}).to_json()

"""From a space that names a column to one whose classes are known, and the rows that have one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.core.errors import FoldPlanError, ManifestError, SearchSpaceError
from orchestrator.core.task import Task
from orchestrator.data.manifest import Manifest
from orchestrator.data.targets import binary, categorical, joint, multi_label
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.study_data import StudyData, gather_data
from orchestrator.space import SearchSpace

ANIMALS = ["cat"] * 4 + ["dog"] * 4 + ["yak"]


def rows(root: Path, **columns: Any) -> Manifest:
    """A row an image, whose files are there."""
    count = max(len(cells) for cells in columns.values() if isinstance(cells, list))
    paths = [f"{row}.jpg" for row in range(count)]
    for path in paths:
        (root / path).write_bytes(path.encode())
    frame = pd.DataFrame({"path": paths, "group": paths, "role": "train", **columns})
    return Manifest(frame, root, "m")


def space(target: Any, **changes: Any) -> SearchSpace:
    return SearchSpace(
        **{"trainable": "m:C", "target": target, "params": {}, "folds": 2, "metric": "accuracy", **changes}
    )


def gathered(
    tmp_path: Path, data: Manifest, asked: SearchSpace, **options: Any
) -> tuple[StudyData, list[str]]:
    said: list[str] = []
    return gather_data(DataOptions(data, runs=tmp_path, **options), asked, 0, said.append), said


def test_the_name_of_a_column_is_enough(tmp_path: Path) -> None:
    asked = space("label", stratify=["label", "site"])
    data, said = gathered(tmp_path, rows(tmp_path, label=[10, 9, 2] * 4, site=["x", "y"] * 6), asked)
    assert data.space.target == categorical("label", ["2", "9", "10"])
    assert data.space.stratify == (data.space.target, categorical("site", ["x", "y"]))
    assert data.dataset.task == Task(("2", "9", "10")) and data.dataset.labels.tolist() == [2, 1, 0] * 4
    assert said == [
        "classes: label has 3 in the training rows: 2, 9, 10",
        "classes: site has 2 in the training rows: x, y",
        "rows: 12 images of 12 groups; label: 2 4, 9 4, 10 4",
    ]
    stored = SearchSpace.from_json(json.loads(json.dumps(data.space.to_json())))
    assert stored.target == data.space.target and not stored.target.is_open


def test_a_condition_and_a_joint_label_are_known_too(tmp_path: Path) -> None:
    sex, age = categorical("sex"), categorical("old")
    asked = space(age, given=(sex, 1), joint=joint(sex, age), stratify=[sex, age])
    table = rows(tmp_path, sex=[0.0, 1.0] * 8, old=["no", "no", "yes", "yes"] * 4)
    data, said = gathered(tmp_path, table, asked)
    assert data.space.given == (categorical("sex", ["0.0", "1.0"]), "1.0")
    assert data.space.joint is not None and data.space.joint.classes == (
        "0.0/no",
        "0.0/yes",
        "1.0/no",
        "1.0/yes",
    )
    assert said[-1] == "rows: 16 images of 16 groups; old given sex=1.0: no 4, yes 4"
    with pytest.raises(SearchSpaceError, match=r"'sex' has no class '7'; use one of 0.0, 1.0"):
        gathered(tmp_path, table, space(age, given=(sex, 7), stratify=[sex, age]))


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    table = rows(
        tmp_path, label=["a", "b", None, "a", "b", None, None], role=["train"] * 5 + ["extra", "test"]
    )
    data, said = gathered(tmp_path, table, space(categorical("label", missing="drop")))
    assert data.dataset.paths == ("0.jpg", "1.jpg", "3.jpg", "4.jpg")
    assert said[1] == "note: 2 rows without label left out: 2.jpg, 5.jpg"
    assert data.rows.header["label_rules"] == {"missing": {"label": 2}}
    with pytest.raises(ManifestError, match=r"column 'label' has a missing value \(row 3, 2.jpg, and 1 more"):
        gathered(tmp_path, table, space("label"))


def test_rows_without_a_label_may_be_negative(tmp_path: Path) -> None:
    table = rows(tmp_path, ill=[1, None, 0, 1, None, 0], mass=[None, 1, 1, 0, 0, 1])
    data, _ = gathered(tmp_path, table, space(binary("ill", 1, missing="negative")))
    assert data.dataset.labels.tolist() == [1, 0, 0, 1, 0, 0] and data.dataset.classes == ("0", "1")
    data, said = gathered(tmp_path, table, space(multi_label(["ill", "mass"], missing="negative")))
    assert data.dataset.labels.tolist() == [[1, 0], [0, 1], [0, 1], [1, 0], [0, 0], [0, 1]]
    assert data.dataset.task == Task(("ill", "mass"), multi_label=True)
    assert said == ["rows: 6 images of 6 groups; labels: ill 2, mass 3, no label 1"]
    assert data.dataset.factors[0].columns == ("ill", "mass")


def test_a_rare_class_is_refused_left_out_or_merged(tmp_path: Path) -> None:
    with pytest.raises(
        FoldPlanError, match=r"class 'yak' of target 'animal' has 1 group for 2 folds.*--drop-rare 2"
    ):
        gathered(tmp_path, rows(tmp_path, animal=ANIMALS), space("animal"))
    data, said = gathered(tmp_path, rows(tmp_path, animal=ANIMALS), space("animal"), drop_rare=2)
    assert said[1] == "note: animal: left out as rare (under 2 groups): yak (1 group), with 1 row"
    assert data.dataset.classes == ("cat", "dog") and len(data.dataset.paths) == 8
    rules = data.rows.header["label_rules"]
    assert rules == {"drop_rare": 2, "left_out": {"animal": {"yak": 1}}}
    data, said = gathered(
        tmp_path, rows(tmp_path, animal=[*ANIMALS, "elk"]), space("animal"), rare_as="other"
    )
    assert said[1] == "note: animal: merged into other (under 2 groups): elk (1 group), yak (1 group)"
    assert data.dataset.classes == ("cat", "dog", "other") and data.dataset.labels.tolist()[-2:] == [2, 2]
    assert data.rows.header["label_rules"] == {"rare_as": "other", "merged": {"animal": {"elk": 1, "yak": 1}}}


def test_a_rare_class_may_be_trained_on_as_extra_rows(tmp_path: Path) -> None:
    data, _ = gathered(
        tmp_path, rows(tmp_path, animal=ANIMALS, role=["train"] * 8 + ["extra"]), space("animal")
    )
    assert data.dataset.classes == ("cat", "dog", "yak") and data.dataset.folds.tolist()[-1] == -1


def test_extra_rows_with_an_unknown_class_are_refused_and_those_without_one_left_out(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name in ("x.jpg", "y.jpg", "z.jpg"):
        (tmp_path / "more" / name).write_bytes(name.encode())
    table = rows(tmp_path, animal=ANIMALS)
    extra = tmp_path / "more" / "labels.csv"
    asked = space(categorical("animal", missing="drop"))
    extra.write_text("path,animal\nx.jpg,cat\ny.jpg,\nz.jpg,yak\n")
    data, said = gathered(tmp_path, table, asked, drop_rare=2, extra=[extra])
    assert [line for line in said if "left out (no" in line] == [
        f"note: --extra {extra}: 2 rows left out (no label, or a rare class)"
    ]
    assert data.dataset.labels.tolist() == [0] * 4 + [1] * 4 + [0]
    extra.write_text("path,animal\nx.jpg,cat\ny.jpg,gnu\nz.jpg,dog\n")
    with pytest.raises(
        ManifestError, match=r"--extra .*value 'gnu' \(row 2, y.jpg\): it must be one of cat, dog"
    ):
        gathered(tmp_path, table, asked, drop_rare=2, extra=[extra])


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    asked = space(multi_label(["a", "b"], missing="drop"))
    with pytest.raises(ManifestError, match="every row has no label, and missing='drop' leaves it out"):
        gathered(tmp_path, rows(tmp_path, a=[None, None], b=[1, 0]), asked)


def test_several_labels_go_with_neither_a_condition_nor_a_joint_label() -> None:
    several, sex = multi_label(["a", "b"]), categorical("sex", ["f", "m"])
    with pytest.raises(
        SearchSpaceError, match="given: target 'labels' is multi-label, and a condition is one"
    ):
        space(several, given=(sex, "f"))
    with pytest.raises(SearchSpaceError, match="given: target 'labels' is multi-label"):
        space(sex, given=(several, "a"))
    with pytest.raises(
        SearchSpaceError, match="joint: target 'labels' is multi-label and no part of one label"
    ):
        space(several, joint=joint(sex, categorical("age")))

"""Classes of few groups: left out, or merged into one."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.rare_classes import leave_out, merge
from orchestrator.data.targets import (
    Target,
    age_bins,
    binary,
    categorical,
    multi_label,
    one_hot,
    target_from_json,
)

ANIMALS = ["cat", "cat", "cat", "dog", "dog", "dog", "lynx", "lynx", "yak"]
GROUPS = ["a", "b", "c", "a", "b", "c", "d", "d", "e"]  # two rows of one lynx


def frame(**columns: list[Any]) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    paths = [f"{row}.jpg" for row in range(rows)]
    return pd.DataFrame({"path": paths, "role": "train", "group": GROUPS[:rows], **columns})


def survives_json(target: Target) -> bool:
    return target_from_json(json.loads(json.dumps(target.to_json()))) == target


def test_a_rare_class_goes_with_its_rows_and_rows_of_one_group_count_once() -> None:
    table = frame(animal=ANIMALS)
    target, rare = leave_out(categorical("animal").resolve(table), table, 2)
    assert rare == {"lynx": 1, "yak": 1} and target.classes == ("cat", "dog")
    assert target.excluded(table).tolist() == [False] * 6 + [True] * 3
    assert target.encode(table[:6]).tolist() == [0, 0, 0, 1, 1, 1] and survives_json(target)
    with pytest.raises(ManifestError, match=r"value 'lynx' \(row 7, 6.jpg, and 2 more rows\)"):
        target.encode(table)


def test_rare_classes_may_be_one_class_which_is_the_last() -> None:
    table = frame(animal=ANIMALS)
    target, rare = merge(categorical("animal").resolve(table), table, 2, "other")
    assert rare == {"lynx": 1, "yak": 1} and target.classes == ("cat", "dog", "other")
    assert target.encode(table).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and survives_json(target)
    assert target.encode(frame(animal=["other"])).tolist() == [2]


def test_rare_classes_may_join_a_class_that_exists() -> None:
    table = frame(animal=ANIMALS)
    target, rare = merge(categorical("animal").resolve(table), table, 2, "dog")
    assert rare == {"lynx": 1, "yak": 1} and target.classes == ("cat", "dog")
    assert target.encode(table).tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]


def test_leaving_out_and_merging_go_together() -> None:
    table = frame(animal=["cat"] * 3 + ["dog", "dog", "elk", "elk", "fox", "yak"], group=list("abcabcdef"))
    target, _ = leave_out(categorical("animal").resolve(table), table, 2)
    kept = table[~target.excluded(table)]
    target, rare = merge(target, kept, 3, "other")
    assert rare == {"dog": 2, "elk": 2} and target.classes == ("cat", "other")
    assert target.encode(kept).tolist() == [0, 0, 0, 1, 1, 1, 1] and survives_json(target)


def test_columns_of_classes_are_left_out_and_merged_as_well() -> None:
    columns = {name: [int(animal == name) for animal in ANIMALS] for name in ("cat", "dog", "lynx", "yak")}
    table = frame(**columns)
    target, _ = leave_out(one_hot(list(columns)), table, 2)
    assert target.classes == ("cat", "dog") and target.excluded(table).sum() == 3 and survives_json(target)
    with pytest.raises(ManifestError, match=r"row 7, 6\.jpg, and 2 more rows: lynx holds 1"):
        target.encode(table)
    target, _ = merge(one_hot(list(columns)), table, 2, "other")
    assert target.encode(table).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and survives_json(target)


def test_a_rare_label_is_left_out_and_its_rows_stay() -> None:
    table = frame(
        a=[1, 1, 1, 0, 0], b=[0, 1, 1, 1, 0], c=[1, 0, 0, 0, 0], d=[1, 1, 1, 1, 0], group=list("abcde")
    )
    target, rare = leave_out(multi_label(["a", "b", "c", "d"]), table, 2)
    assert rare == {"c": 1, "d": 1}, "d is absent from one group alone"
    assert target.classes == ("a", "b") and not target.excluded(table).any() and survives_json(target)
    assert target.encode(table).tolist() == [[1, 0], [1, 1], [1, 1], [0, 1], [0, 0]]
    assert "c" in target.columns, "a label that is left out is still hidden from trainables"


def test_a_merged_label_holds_where_one_of_its_own_does() -> None:
    table = frame(labels=["x y", "x", "x z", "z y", "x"])
    target, rare = merge(multi_label("labels", sep=" ").resolve(table), table, 3, "other")
    assert rare == {"y": 1, "z": 2} and target.classes == ("x", "other") and survives_json(target)
    assert target.encode(table).tolist() == [[1, 1], [1, 0], [1, 1], [0, 1], [1, 0]]


def test_where_nothing_is_rare_nothing_changes() -> None:
    table = frame(animal=ANIMALS[:6])
    target = categorical("animal").resolve(table)
    assert leave_out(target, table, 3) == merge(target, table, 3, "other") == (target, {})


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            categorical("animal"),
            "--drop-rare 4: of the 4 classes of target 'animal' only 0 have so many groups",
        ),
        (age_bins([30]), "--drop-rare: target 'age' is binned, .*>=30 1"),
        (binary("sex", "m"), "--drop-rare: target 'sex' is binary, .*m 1"),
    ],
)
def test_what_cannot_be_left_out_is_said(target: Target, words: str) -> None:
    table = frame(animal=ANIMALS, age=[20] * 8 + [40], sex=["f"] * 8 + ["m"])
    with pytest.raises(ManifestError, match=words):
        leave_out(target.resolve(table), table, 4 if target.name == "animal" else 2)


def test_what_cannot_be_merged_is_said() -> None:
    table = frame(animal=ANIMALS, grade=[0] * 6 + [1, 1, 2])
    with pytest.raises(
        ManifestError, match="--rare-as other: the classes of target 'grade' stand in an order"
    ):
        merge(categorical("grade", ordered=True).resolve(table), table, 2, "other")
    with pytest.raises(ManifestError, match="every class of target 'animal' has fewer than 9 groups"):
        merge(categorical("animal").resolve(table), table, 9, "other")

"""Targets whose classes are read from the data, and how a table's values meet a target's classes."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from orchestrator.core.errors import ManifestError, SearchSpaceError
from orchestrator.core.task import Task
from orchestrator.data.targets import (
    Target,
    age_bins,
    binary,
    categorical,
    joint,
    multi_label,
    one_hot,
    target_from_json,
)


def frame(**columns: list[Any]) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    return pd.DataFrame({"path": [f"{row}.jpg" for row in range(rows)], **columns})


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["cat", "dog", "ant", "cat"], ("ant", "cat", "dog")),
        ([10, 9, 2, 10], ("2", "9", "10")),
        (["10", "9", "2", "10"], ("2", "9", "10")),
        (["1.5", "1.0", "2.0", "10.0"], ("1.0", "1.5", "2.0", "10.0")),
        ([1.5, 1.0, 2.0, 10.0], ("1.0", "1.5", "2.0", "10.0")),
        ([0.0, 1.0, 0.0, 1.0], ("0.0", "1.0")),
        ([True, False, True, True], ("False", "True")),
        (["True", "False", "True", "True"], ("False", "True")),
        (["01", "1", "01", "2"], ("01", "1", "2")),
        (["1.10", "1.1", "1.10", "1.1"], ("1.1", "1.10")),
        (["-1", "1", "0", "1"], ("-1", "0", "1")),
    ],
)
def test_classes_are_read_from_the_table_and_spelled_as_it_spells_them(
    values: list[Any], classes: tuple[str, ...]
) -> None:
    table = frame(label=values)
    target = categorical("label").resolve(table)
    assert target.classes == target.written == classes and not target.is_open
    assert [target.classes[number] for number in target.encode(table)] == [str(value) for value in values]
    assert target_from_json(json.loads(json.dumps(target.to_json()))) == target


def test_classes_come_from_rows_that_are_trained_on() -> None:
    table = frame(label=["a", "b", "c", None], role=["train", "extra", "test", "test"])
    target = categorical("label").resolve(table)
    assert target.classes == ("a", "b")
    with pytest.raises(ManifestError, match=r"'c' \(row 3, 2.jpg\): it must be one of a, b"):
        target.encode(table.iloc[:3])


def test_a_missing_label_does_not_turn_whole_numbers_into_decimals() -> None:
    table = frame(label=[3, 4, None, 3])
    assert table["label"].dtype == float
    assert categorical("label", missing="drop").resolve(table).classes == ("3", "4")


@pytest.mark.parametrize(
    ("classes", "values", "numbers", "written"),
    [
        (["1.0", "1.5", "2.0"], [1.0, 2.0, 1.5], [0, 2, 1], ("1.0", "1.5", "2.0")),
        (["1.0", "1.5", "2.0"], ["1.0", "2.0", "1.5"], [0, 2, 1], ("1.0", "1.5", "2.0")),
        ([0.0, 1.0], [0, 1, 1], [0, 1, 1], ("0", "1")),
        ([0, 1], [0.0, 1.0, 1.0], [0, 1, 1], ("0.0", "1.0")),
        ([0, 1], [False, True, True], [0, 1, 1], ("False", "True")),
        ([False, True], [0, 1, 1], [0, 1, 1], ("0", "1")),
        ([False, True], ["true", "FALSE", "true"], [1, 0, 1], ("FALSE", "true")),
        (["b", "a"], ["a", "b", "b"], [1, 0, 0], ("b", "a")),
    ],
)
def test_classes_that_are_given_meet_what_pandas_made_of_the_table(
    classes: list[Any], values: list[Any], numbers: list[int], written: tuple[str, ...]
) -> None:
    table = frame(label=values)
    target = categorical("label", classes).resolve(table)
    assert target.encode(table).tolist() == numbers
    assert target.classes == tuple(map(str, classes)) and target.written == written
    assert target_from_json(target.to_json()).written == written


def test_a_target_that_uses_nothing_new_is_written_as_before() -> None:
    assert categorical("label", ["a", "b"]).to_json() == {
        "kind": "categorical",
        "name": "label",
        "column": "label",
        "classes": ["a", "b"],
    }
    assert list(age_bins([30]).to_json()) == ["kind", "name", "column", "edges"]


def test_classes_that_version_0_2_told_apart_stay_apart() -> None:
    stored = {"kind": "categorical", "name": "c", "column": "c", "classes": ["true", "True", " a", "a"]}
    target = target_from_json(stored)
    assert target.encode(frame(c=["True", "true", "a", " a"])).tolist() == [1, 0, 3, 2]
    assert target.to_json() == stored


def test_an_order_is_kept_where_it_is_said_or_numbers_have_one() -> None:
    assert categorical("g", ["mild", "severe"], ordered=True).task == Task(("mild", "severe"), ordered=True)
    assert categorical("g", ordered=True).resolve(frame(g=[2, 0, 1])).task.ordered
    with pytest.raises(ManifestError, match=r"order of mild, severe is not known; write .*ordered=True\)"):
        categorical("g", ordered=True).resolve(frame(g=["severe", "mild"]))


@pytest.mark.parametrize(
    ("positive", "values", "classes"),
    [
        (1, [1, 0, 0], ("0", "1")),
        (0, [1, 0, 0], ("1", "0")),
        (True, ["True", "False", "True"], ("False", "True")),
        (1, [True, False, True], ("False", "True")),
        ("malignant", ["malignant", "benign", "benign"], ("benign", "malignant")),
    ],
)
def test_the_positive_class_is_the_second(positive: Any, values: list[Any], classes: tuple[str, ...]) -> None:
    target = binary("t", positive).resolve(frame(t=values))
    assert target.classes == classes
    assert target.encode(frame(t=values)).tolist() == [int(str(value) == classes[1]) for value in values]
    assert target_from_json(target.to_json()) == target


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (binary("t", "z"), "has no value 'z', the positive class; it has a, b, c"),
        (binary("t", "a"), r"besides 'a' column 't' has 2 values \(b, c\)"),
        (categorical("one"), r"has 1 values in the training rows \(x\)"),
        (categorical("none", missing="drop"), "has 0 values"),
        (multi_label("one", sep=" "), r"split at ' ', has 1 labels \(x\)"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(target: Target, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        target.resolve(frame(t=["a", "b", "c"], one=["x", "x", "x"], none=[None, None, None]))


def test_a_misspelt_column_is_refused_with_the_one_that_is_meant() -> None:
    with pytest.raises(ManifestError, match=r"it has path, labels, patient; did you mean labels\?"):
        categorical("label").resolve(frame(labels=["a", "b"], patient=["p", "q"]))


def test_a_column_that_names_each_row_is_no_target() -> None:
    with pytest.raises(
        ManifestError, match=r"column 'id' has another value in each of its 20 rows.*age_bins\("
    ):
        categorical("id").resolve(frame(id=[f"r{row}" for row in range(20)]))
    assert len(categorical("id").resolve(frame(id=[f"r{row}" for row in range(19)])).classes) == 19


def test_a_joint_of_open_parts_is_open_until_both_are_known() -> None:
    target = joint(categorical("a"), categorical("b", ["x", "y"]))
    assert target.is_open and target.classes == ()
    found = target.resolve(frame(a=["q", "p"], b=["x", "y"]))
    assert found.classes == ("p/x", "p/y", "q/x", "q/y") and found.encode(
        frame(a=["q"], b=["y"])
    ).tolist() == [3]


def test_nothing_is_encoded_before_the_classes_are_known() -> None:
    for target in (categorical("a"), multi_label("a", sep=" ")):
        with pytest.raises(SearchSpaceError, match="'a': its classes are not known yet"):
            target.encode(frame(a=["x"]))


# ---- several columns, several labels --------------------------------------------------------------


def test_one_column_for_each_class_makes_one_label() -> None:
    target = one_hot(["healthy", "rust", "scab"])
    table = frame(healthy=[1, 0, 0], rust=[0.0, 0.0, 1.0], scab=[False, True, False])
    assert target.encode(table).tolist() == [0, 2, 1] and target.task == Task(("healthy", "rust", "scab"))
    assert target_from_json(target.to_json()) == target


@pytest.mark.parametrize(
    ("rust", "scab", "words"),
    [
        ([1, 1], [0, 1], r"row 2, 1.jpg: rust, scab holds 1, and a row has exactly one of rust, scab"),
        ([1, 0], [0, 0], "row 2, 1.jpg: no column holds 1"),
        ([1, 2], [0, 0], r"column 'rust' has value 2 \(row 2, 1.jpg\): it must be 0 or 1"),
        ([1, None], [0, 1], r"column 'rust' has a missing value \(row 2, 1.jpg\)"),
    ],
)
def test_a_row_with_no_class_or_two_is_named(rust: list[Any], scab: list[Any], words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        one_hot(["rust", "scab"]).encode(frame(rust=rust, scab=scab))


def test_columns_of_zero_and_one_are_labels_that_may_hold_together() -> None:
    target = multi_label(["nodule", "mass"])
    table = frame(nodule=[1, 0, 1], mass=[0.0, 0.0, 1.0])
    assert target.encode(table).tolist() == [[1, 0], [0, 0], [1, 1]]
    assert target.task == Task(("nodule", "mass"), multi_label=True)
    assert target_from_json(target.to_json()) == target


@pytest.mark.parametrize(
    ("sep", "values", "classes"),
    [
        (" ", ["rust scab", "healthy", "scab  rust", None], ("healthy", "rust", "scab")),
        ("|", ["rust| scab", "healthy|", "scab|rust", None], ("healthy", "rust", "scab")),
        (" ", ["2 10", "1", "10 2", None], ("1", "2", "10")),
    ],
)
def test_one_column_may_list_the_labels(sep: str, values: list[Any], classes: tuple[str, ...]) -> None:
    target = multi_label("labels", sep=sep, missing="negative").resolve(frame(labels=values))
    assert target.classes == classes
    assert target.encode(frame(labels=values)).tolist() == [[0, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert target_from_json(json.loads(json.dumps(target.to_json()))) == target
    with pytest.raises(ManifestError, match=r"value 'mould' \(row 1, 0.jpg\): it must list labels of"):
        target.encode(frame(labels=["mould"]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: multi_label("labels"), r"needs sep, the text between labels"),
        (lambda: multi_label("labels", sep=""), "sep='' separates nothing"),
        (lambda: multi_label("labels", sep=" ", classes=[]), r"classes=\[\] is empty"),
        (lambda: multi_label(["a", "b"], sep=" "), "sep and classes go with one column"),
        (lambda: multi_label(["a", "a"]), "two or more, each once"),
        (lambda: one_hot("rust"), r"needs a list of columns"),
        (lambda: one_hot(["rust"]), "two or more, each once"),
        (lambda: categorical("label", "ab"), "must be two or more, each once, in a list"),
        (lambda: categorical("label", ["1", "1.0"]), "two or more, each once"),
        (lambda: categorical("label", missing="skip"), "missing='skip' is no rule; use one of error, drop"),
        (
            lambda: categorical("label", missing="negative"),
            "missing='negative' is for binary and multi-label",
        ),
        (lambda: joint(categorical("a"), multi_label(["b", "c"])), "'labels' is multi-label"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(make: Any, words: str) -> None:
    with pytest.raises(SearchSpaceError, match=words):
        make()


# ---- rows without a label -------------------------------------------------------------------------


def test_a_missing_label_is_refused_with_its_row_and_the_ways_out() -> None:
    table = frame(label=["a", None, "b", None])
    with pytest.raises(ManifestError) as caught:
        categorical("label").resolve(table).encode(table)
    assert str(caught.value) == (
        "column 'label' has a missing value (row 2, 1.jpg, and 1 more rows): fill it in, or say in the "
        "target what it means: missing='drop' leaves such rows out, missing='negative' counts them as "
        "negative (binary and multi-label targets)"
    )


@pytest.mark.parametrize(
    "target",
    [
        categorical("label", missing="drop"),
        binary("label", "b", missing="drop"),
        one_hot(["x", "y"], missing="drop"),
        multi_label(["x", "y"], missing="drop"),
        multi_label("label", sep=" ", missing="drop"),
        age_bins([30], missing="drop"),
        joint(categorical("label", missing="drop"), age_bins([30], missing="drop")),
    ],
)
def test_rows_without_a_label_may_be_left_out(target: Target) -> None:
    table = frame(label=["a", None, "b"], x=[1, None, 0], y=[0, 1, 1], age=[3, None, 40])
    found = target.resolve(table)
    assert found.excluded(table).tolist() == [False, True, False]
    assert len(found.encode(table[~found.excluded(table)])) == 2
    assert target_from_json(found.to_json()) == found


def test_rows_without_a_label_may_be_negative() -> None:
    table = frame(t=[1, None, 1], x=[1, None, 0], y=[None, 1, 1])
    target = binary("t", 1, missing="negative").resolve(table)
    assert target.classes == ("not 1", "1") and target.encode(table).tolist() == [1, 0, 1]
    assert not target.excluded(table).any()
    several = multi_label(["x", "y"], missing="negative")
    assert several.encode(table).tolist() == [[1, 0], [0, 1], [0, 1]]
    assert target_from_json(several.to_json()) == several

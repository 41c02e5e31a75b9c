"""What the data are, counted; and what is odd about classes and folds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from orchestrator.core.finding import Level
from orchestrator.data.quality.class_findings import few_groups, few_rows, imbalanced, uneven_folds
from orchestrator.data.quality.overview import (
    ClassCount,
    class_counts,
    fold_counts,
    fold_groups,
    imbalance,
    size_quantiles,
    text_counts,
)
from orchestrator.data.quality.task_labels import TaskLabels, joint_labels

GROUPS = np.array(["a", "a", "a", "b", "b", "c"], object)
ALL = np.ones(6, np.bool_)
TINT = TaskLabels("tint", ("red", "blue", "green"), np.array([0, 0, 1, 1, 0, -1]))
TAGS = TaskLabels("tags", ("x", "y"), np.array([[1, 1], [0, 0], [0, 1], [1, 0], [1, 0], [-1, -1]]))


def test_rows_and_groups_of_each_class_are_counted_without_what_is_not_labelled() -> None:
    red, blue, green = class_counts(TINT, GROUPS, ALL)
    assert red == ClassCount("red", 3, 2, 0.6, 2) and blue == ClassCount("blue", 2, 2, 0.4, 1)
    assert green == ClassCount("green", 0, 0, 0.0, 0)
    assert imbalance((red, blue, green)) == 1.5 and math.isnan(imbalance((green,)))
    some = class_counts(TINT, GROUPS, np.array([True] * 3 + [False] * 3))
    assert [count.rows for count in some] == [2, 1, 0]


def test_of_several_labels_in_a_row_each_is_counted() -> None:
    x, y = class_counts(TAGS, GROUPS, ALL)
    assert (x.rows, x.share, y.rows) == (3, 0.6, 2)
    assert [TAGS.text(row) for row in (0, 1, 5)] == ["x y", "no label holds", ""]


def test_tasks_together_are_the_combinations_that_occur() -> None:
    age = TaskLabels("age", ("young", "old"), np.array([0, 1, 0, 0, 0, 1]))
    joint = joint_labels([TINT, TAGS, age])
    assert joint is not None and joint.name == "tint / age"
    assert joint.classes == ("red/young", "red/old", "blue/young")
    assert joint.values.tolist() == [0, 1, 2, 2, 0, -1]
    assert joint_labels([TINT, TAGS]) is None


def test_folds_are_counted_by_class_and_by_group() -> None:
    folds = np.array([0, 0, 0, 1, 1, -1], np.int16)
    assert fold_counts(TINT, folds, 2).tolist() == [[2, 1], [1, 1], [0, 0]]
    assert fold_groups(GROUPS, folds, 2).tolist() == [[3, 1, 3], [2, 1, 2]]


def test_sizes_and_kinds_are_summed_up() -> None:
    found = size_quantiles(np.array([10, 20, 30], np.int32), np.array([20, 20, 15], np.int32))
    assert found["height"][[0, 2, 4]].tolist() == [10, 20, 30] and found["width / height"][4] == 2.0
    assert size_quantiles(np.array([], np.int32), np.array([], np.int32)) == {}
    assert text_counts(np.array(["RGB", "L", "RGB", "CMYK"])) == [("RGB", 2), ("CMYK", 1), ("L", 1)]


def counts(*rows: int, groups: int = 50) -> list[ClassCount]:
    return [ClassCount(f"c{at}", own, min(own, groups), 0.1, 1) for at, own in enumerate(rows)]


def test_a_balanced_set_gives_no_finding() -> None:
    usual = counts(100, 90, 40)
    assert [*few_rows("t", usual), *imbalanced("t", usual), *few_groups("t", usual, 5)] == []
    assert not [*uneven_folds("t", ("a", "b"), np.array([[20, 22, 18], [4, 1, 7]]))]


def test_planted_trouble_with_classes_is_found() -> None:
    [rows] = few_rows("tint", counts(100, 9, 0))
    assert rows.code == "FO103" and "tint: 1 class with fewer than 10 rows: c1 9" in rows.found
    [ratio] = imbalanced("tint", counts(1000, 20, 0))
    assert ratio.code == "FO104" and "50 times fewer" in ratio.found
    [groups] = few_groups("tint", counts(100, 100, groups=4), 5)
    assert groups.code == "FO133" and groups.level is Level.BLOCKS and "c0 (4 groups)" in groups.found


def test_a_class_that_misses_most_of_its_rows_in_a_fold_is_found() -> None:
    [finding] = uneven_folds("tint", ("red", "blue"), np.array([[50, 50, 50], [90, 50, 10]]))
    assert finding.code == "FO134" and "blue in fold 2 (10 rows, 50 if even)" in finding.found


@pytest.mark.parametrize("ratio, found", [(49, 0), (51, 1)])
def test_imbalance_has_a_bound(ratio: int, found: int) -> None:
    assert len([*imbalanced("t", counts(ratio * 20, 20))]) == found

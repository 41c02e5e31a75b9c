"""Copies that cross groups, folds, roles or labels are findings, and only those."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.finding import Level
from orchestrator.data.quality.conflicts import label_conflicts
from orchestrator.data.quality.crossing import copies_in_folds, copies_in_groups, copies_in_roles
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.quality.task_labels import TaskLabels

PATHS = ["a", "b", "c", "d", "e", "f"]
TRAIN = ["train"] * 6


def found(exact: list[int], clusters: list[int], precision: float | None = None) -> Duplicates:
    """Codes of the six rows."""
    none, values = np.zeros((0, 2), np.int64), np.zeros(0, np.float32)
    return Duplicates(np.array(exact), none, values, np.array(clusters), "a rule", precision)


# a and b are identical, c and d near duplicates; e and f are alone.
COPIES = found([0, 0, 1, 2, 3, 4], [0, 0, 1, 1, 2, 3])
NONE = found([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])


def test_identical_images_with_two_labels_block_and_near_ones_are_warned_of() -> None:
    task = TaskLabels("kind", ("x", "y"), np.array([0, 1, 0, 1, 0, 1]))
    identical, near = label_conflicts(COPIES, [task], PATHS)
    assert (identical.code, identical.level, identical.pairs) == ("FO123", Level.BLOCKS, ((0, 1),))
    assert identical.found == "kind: 1 image with another label than an identical one: a (x) = b (y)"
    assert (near.code, near.level, near.pairs) == ("FO124", Level.WARNING, ((2, 3),))


def test_several_labels_of_a_row_differ_as_a_whole_and_unlabelled_rows_do_not() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1], [-1, -1], [0, 0], [0, 0]])
    (only,) = label_conflicts(COPIES, [TaskLabels("kind", ("x", "y"), labels)], PATHS)
    assert (only.code, only.pairs) == ("FO123", ((0, 1),))
    assert only.found.endswith("a (x) = b (x y)")


def test_copies_in_two_groups_are_told_of_within_a_role() -> None:
    (only,) = copies_in_groups(COPIES, ["p", "q", "r", "s", "t", "u"], TRAIN, PATHS)
    assert (only.code, only.level, only.pairs) == ("FO125", Level.WARNING, ((0, 1), (2, 3)))
    assert "2 copies in another group than the image, 1 of them identical: a = b, c = d" in only.found
    roles = ["train", "test", "train", "test", "train", "train"]
    assert list(copies_in_groups(COPIES, ["p", "q", "r", "s", "t", "u"], roles, PATHS)) == []


@pytest.mark.parametrize(
    "precision, level", [(0.995, Level.BLOCKS), (0.9, Level.WARNING), (None, Level.WARNING)]
)
def test_near_duplicates_in_two_folds_block_where_they_are_certain(
    precision: float | None, level: Level
) -> None:
    folds = np.array([0, 1, 0, 1, 0, -1])
    identical, near = copies_in_folds(
        found([0, 0, 1, 2, 3, 4], [0, 0, 1, 1, 2, 2], precision), folds, TRAIN, PATHS
    )
    assert (identical.level, identical.pairs) == (Level.BLOCKS, ((0, 1),))
    assert (near.level, near.pairs) == (level, ((2, 3),))  # f is in no fold


def test_copies_that_are_always_trained_on_cross_into_a_fold() -> None:
    folds = np.array([-1, 0, -1, 1, 0, -1])
    roles = ["extra", "train", "test", "train", "train", "train"]
    (only,) = copies_in_folds(COPIES, folds, roles, PATHS)
    assert only.pairs == ((0, 1),)  # c is a test row and f has no label: nothing learns them


def test_test_images_in_the_training_rows_are_told_of_with_the_row_that_is_trained_on() -> None:
    roles = ["train", "test", "test", "extra", "train", "test"]
    (only,) = copies_in_roles(COPIES, roles, PATHS)
    assert (only.code, only.pairs) == ("FO127", ((1, 0), (2, 3)))
    assert only.found.startswith(
        "2 of 3 images with role test are copies of training images, 1 of them identical"
    )


def test_a_set_without_copies_has_no_finding() -> None:
    task = TaskLabels("kind", ("x", "y"), np.array([0, 1, 0, 1, 0, 1]))
    nothing = [
        *label_conflicts(NONE, [task], PATHS),
        *copies_in_groups(NONE, PATHS, TRAIN, PATHS),
        *copies_in_folds(NONE, np.arange(6), TRAIN, PATHS),
        *copies_in_roles(NONE, ["train", "test"] * 3, PATHS),
    ]
    assert nothing == []

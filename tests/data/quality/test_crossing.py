"""Copies that cross groups, folds, roles or labels are findings, and only those."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from orchestrator.core.finding import Level
from orchestrator.data.quality.conflicts import label_conflicts
from orchestrator.data.quality.crossing import copies_in_folds, copies_in_groups, copies_in_roles
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.quality.task_labels import TaskLabels

PATHS = ["a", "b", "c", "d", "e", "f"]
TRAIN = ["train"] * 6


def found(
    exact: list[int],
    clusters: list[int],
    precision: float | None = None,
    near: Sequence[tuple[int, int]] = ((2, 3),),
) -> Duplicates:
    """Codes of the six rows."""
    pairs, values = np.array(near, np.int64).reshape(-1, 2), np.ones(len(near), np.float32)
    return Duplicates(np.array(exact), pairs, values, np.array(clusters), "a rule", precision)


# a and b are identical, c and d near duplicates; e and f are alone.
COPIES = found([0, 0, 1, 2, 3, 4], [0, 0, 1, 1, 2, 3])
NONE = found([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], near=())
# a and c are near duplicates of b, not of each other; d and e lie in one cluster through f.
STARS = found([0, 1, 2, 3, 4, 5], [0, 0, 0, 3, 3, 3], near=((0, 1), (1, 2), (3, 5), (4, 5)))


def test_identical_images_with_two_labels_block_and_near_ones_are_warned_of() -> None:
    task = TaskLabels("kind", ("x", "y"), np.array([0, 1, 0, 1, 0, 1]))
    identical, near = label_conflicts(COPIES, [task], PATHS)
    assert (identical.code, identical.level, identical.pairs) == ("FO123", Level.BLOCKS, ((0, 1),))
    assert identical.found == "kind: 1 image with another label than an identical one: a (x) = b (y)"
    assert (near.code, near.level, near.pairs) == ("FO124", Level.WARNING, ((2, 3),))
    assert near.found.endswith("c (x) ~ d (y)")


def test_labels_of_pictures_that_only_share_a_cluster_are_not_compared() -> None:
    task = TaskLabels("kind", ("x", "y"), np.array([0, -1, 1, 0, 1, 1]))
    (only,) = label_conflicts(STARS, [task], PATHS)
    assert (only.code, only.pairs) == ("FO124", ((3, 5),))
    assert only.found == "kind: 1 pair of near duplicates with different labels: d (x) ~ f (y)"


def test_a_near_duplicate_of_one_of_several_identical_images_is_one_of_all() -> None:
    copies = found([0, 0, 2, 3, 4, 5], [0, 0, 0, 3, 4, 5], near=((0, 2),))
    task = TaskLabels("kind", ("x", "y"), np.array([-1, 0, 1, 0, 0, 0]))
    (only,) = label_conflicts(copies, [task], PATHS)
    assert (only.code, only.pairs) == ("FO124", ((1, 2),))


def test_what_is_shown_of_copies_in_two_groups_or_folds_is_the_pair_that_is_alike() -> None:
    """a and b are of one group and fold; c is a near duplicate of b alone."""
    groups = ["p", "p", "q", "t", "t", "t"]
    (of_groups,) = copies_in_groups(STARS, groups, TRAIN, PATHS)
    (of_folds,) = copies_in_folds(STARS, np.array([0, 0, 1, 2, 2, 2]), TRAIN, PATHS)
    assert of_groups.pairs == of_folds.pairs == ((1, 2),)


def test_where_the_picture_between_two_is_in_no_fold_the_two_are_shown() -> None:
    (only,) = copies_in_folds(STARS, np.array([0, -1, 1, 2, 2, 2]), TRAIN, PATHS)
    assert only.pairs == ((0, 2),)


def test_several_labels_of_a_row_differ_as_a_whole_and_unlabelled_rows_do_not() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1], [-1, -1], [0, 0], [0, 0]])
    (only,) = label_conflicts(COPIES, [TaskLabels("kind", ("x", "y"), labels)], PATHS)
    assert (only.code, only.pairs) == ("FO123", ((0, 1),))
    assert only.found.endswith("a (x) = b (x y)")


def test_copies_in_two_groups_are_told_of_within_a_role() -> None:
    (only,) = copies_in_groups(COPIES, ["p", "q", "r", "s", "t", "u"], TRAIN, PATHS)
    assert (only.code, only.level, only.pairs) == ("FO125", Level.WARNING, ((0, 1), (2, 3)))
    assert only.found == "2 images in another group than a copy (1 identical, 1 near duplicate): a = b, c ~ d"
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
        found([0, 0, 1, 2, 3, 4], [0, 0, 1, 1, 2, 2], precision, ((2, 3), (4, 5))), folds, TRAIN, PATHS
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
        "2 of 3 images with role test are copies of training images (1 identical, 1 near duplicate): b = a, "
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

"""What single checks make of arrays and tables, with and without the fault that they look for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Probabilities
from orchestrator.core.events import FoldRunKey
from orchestrator.core.finding import Level
from orchestrator.data.known_clusters import KnownClusters
from orchestrator.evaluation.calibration import equal_mass_ece
from orchestrator.study.failures import FailedTrial
from orchestrator.study_checks.calibration import miscalibration
from orchestrator.study_checks.chance import binomial_tail
from orchestrator.study_checks.class_groups import class_groups
from orchestrator.study_checks.copies import copies_apart
from orchestrator.study_checks.failures import of_one_kind
from orchestrator.study_checks.fitted_baseline import BaselineRows, fit
from orchestrator.study_checks.never_predicted import unnamed
from orchestrator.study_checks.no_better import class_shares
from orchestrator.study_checks.odd_fold import furthest
from orchestrator.study_checks.one_file import one_file
from orchestrator.study_checks.rising import best_epochs


def test_a_binomial_tail_is_the_sum_of_its_terms() -> None:
    assert binomial_tail(0, 5, 0.3) == pytest.approx(1.0)
    assert binomial_tail(5, 5, 0.5) == 1 / 32
    assert binomial_tail(4, 5, 0.5) == pytest.approx(6 / 32)


# ---- folds ----------------------------------------------------------------------------------------


def test_a_fold_that_all_trials_fail_on_is_far_from_the_others() -> None:
    scores = np.array([[0.80, 0.50, 0.82], [0.70, 0.42, 0.71], [0.60, 0.33, 0.59]])
    found = furthest(scores, np.full(3, 0.03), 20)
    assert found.fold == 1 and found.difference == pytest.approx(-0.30, abs=0.02)
    assert -found.errors > found.limit


def test_trials_that_differ_leave_a_fold_where_it_is() -> None:
    """Paired: whole trials are better or worse, folds are not."""
    scores = np.array([[0.9, 0.9, 0.9], [0.5, 0.5, 0.5], [0.1, 0.1, 0.1]])
    assert abs(furthest(scores, np.full(3, 0.03), 20).errors) < 1e-9


def test_one_trial_that_failed_on_a_fold_makes_no_odd_fold() -> None:
    scores = np.array([[0.80, 0.10, 0.82], [0.70, 0.72, 0.71], [0.60, 0.61, 0.59]])
    found = furthest(scores, np.full(3, 0.03), 20)
    assert abs(found.errors) < found.limit


def test_folds_that_all_differ_have_no_odd_one() -> None:
    """As where each fold is a place of its own."""
    found = furthest(np.array([[0.9, 0.7, 0.5, 0.3, 0.8]] * 3), np.full(5, 0.01), 20)
    assert abs(found.errors) < found.limit


def test_few_groups_allow_more() -> None:
    scores = np.array([[0.8, 0.5, 0.8]] * 3)
    assert furthest(scores, np.full(3, 0.05), 3).limit > 2 * furthest(scores, np.full(3, 0.05), 30).limit


# ---- epochs ---------------------------------------------------------------------------------------


def test_curves_that_rise_to_the_end_are_no_chance_and_flat_ones_are() -> None:
    rng = np.random.default_rng(0)
    rising = np.linspace(0.3, 0.6, 8) + 0.001 * rng.normal(size=(3, 3, 8))
    flat = 0.6 + 0.01 * rng.normal(size=(3, 3, 8))
    assert best_epochs(rising).is_rising and best_epochs(rising).gain == pytest.approx(0.086, abs=0.005)
    assert not best_epochs(flat).is_rising and not best_epochs(flat).is_best_at_once
    assert best_epochs(rising[..., ::-1]).is_best_at_once


def test_a_plateau_after_a_rise_is_not_still_rising() -> None:
    """The best epoch of a plateau lies on its few epochs: its share at the end is not one in all."""
    curve, alarms = np.minimum(np.arange(1, 17) / 9, 1.0), 0
    for seed in range(500):
        noise = np.random.default_rng(seed).normal(size=(3, 5, 16))
        alarms += best_epochs(curve + 0.02 * noise).is_rising
    assert alarms <= 3  # one in 1000 is due


# ---- calibration ----------------------------------------------------------------------------------


def drawn_probabilities(rng: np.random.Generator, rows: int = 600) -> Probabilities:
    made = np.exp(2 * rng.normal(size=(rows, 3)))
    shares: Probabilities = (made / made.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def drawn_labels(probabilities: Probabilities, luck: Floats) -> NDArray[np.int64]:
    below: NDArray[np.int64] = (luck[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    return np.minimum(below, 2)


def test_right_probabilities_are_within_chance_and_too_sure_ones_beyond_it() -> None:
    rng = np.random.default_rng(3)
    right = drawn_probabilities(rng)
    labels, codes = drawn_labels(right, rng.random(600)), np.arange(600) // 2
    sure = right**3 / (right**3).sum(axis=1, keepdims=True)
    assert not miscalibration(labels, right, codes, np.random.default_rng(0)).is_beyond_chance
    found = miscalibration(labels, sure, codes, np.random.default_rng(0))
    assert found.is_beyond_chance and found.surplus > 0.05
    assert found.error == pytest.approx(equal_mass_ece(labels, sure, np.ones(600)), abs=1e-6)


def test_labels_that_groups_share_are_no_fault_of_the_probabilities() -> None:
    """Ten rows of a group with one label leave much to chance; row by row it would look like a fault."""
    alarms, alone = 0, 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        codes = np.arange(600) // 10
        right = np.repeat(drawn_probabilities(rng, 60), 10, axis=0)
        labels = drawn_labels(right, rng.random(60)[codes])
        alarms += miscalibration(labels, right, codes, np.random.default_rng(0)).is_beyond_chance
        alone += miscalibration(labels, right, np.arange(600), np.random.default_rng(0)).is_beyond_chance
    assert alarms == 0 and alone > 3


def test_several_labels_are_judged_one_by_one() -> None:
    rng = np.random.default_rng(1)
    right = rng.random((500, 2)).astype(np.float32)
    labels = (rng.random((500, 2)) < right).astype(np.int64)
    assert not miscalibration(labels, right, np.arange(500), rng).is_beyond_chance
    assert miscalibration(labels, np.sqrt(right), np.arange(500), rng).is_beyond_chance


# ---- rows -----------------------------------------------------------------------------------------


def test_groups_and_folds_of_a_class_are_counted_once() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    groups, folds = np.array(["a", "a", "b", "c", "c", "d"]), np.array([0, 0, 1, 1, 1, 0], np.int16)
    found = class_groups(["x", "y", "z", "none"], labels, groups, folds)
    told = [(item.name, item.groups, sorted(item.folds)) for item in found]
    assert told == [("x", 2, [0, 1]), ("y", 1, [1]), ("z", 1, [0])]


def test_of_several_labels_the_rows_that_have_one_are_counted() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1]])
    found = class_groups(["x", "y"], labels, np.array(["a", "a", "b"]), np.zeros(3, np.int16))
    assert [(item.name, item.groups) for item in found] == [("x", 1), ("y", 2)]


def clusters(
    exact: Sequence[int], near: Sequence[tuple[int, int]] = (), precision: float | None = None
) -> KnownClusters:
    codes = np.array(exact)
    joined = codes.copy()
    for one, other in near:
        joined[joined == joined[other]] = joined[one]
    pairs = np.array(near, np.int64).reshape(-1, 2)
    return KnownClusters(codes, joined, len(codes), "By rule.", precision, pairs)


def test_a_copy_in_another_fold_blocks_and_names_both_rows() -> None:
    (found,) = copies_apart(clusters([0, 1, 0]), [0, 0, 1], ["a", "b", "c"], ["p", "q", "r"])
    assert found.level is Level.BLOCKS and found.pairs == ((0, 2),) and "p = r" in found.found


def test_of_copies_of_whole_groups_one_pair_of_each_comes_first() -> None:
    known = clusters([0, 1, 0, 1, 2, 2])
    (found,) = copies_apart(known, [0, 0, 1, 1, 0, 1], ["a", "a", "b", "b", "c", "d"], list("pqrstu"))
    assert found.pairs == ((0, 2), (4, 5), (1, 3))


def test_near_duplicates_in_another_fold_are_a_warning_until_they_are_certain() -> None:
    for precision, level in ((None, Level.WARNING), (0.995, Level.BLOCKS)):
        known = clusters([0, 1, 2], [(0, 2)], precision)
        (found,) = copies_apart(known, [0, 0, 1], ["a", "b", "c"], ["p", "q", "r"])
        assert found.level is level and found.pairs == ((0, 2),) and "p ~ r" in found.found


def test_copies_in_one_fold_and_several_groups_are_a_warning() -> None:
    (found,) = copies_apart(clusters([0, 1, 0]), [1, 0, 1], ["a", "b", "c"], ["p", "q", "r"])
    assert found.level is Level.WARNING and "another group" in found.found


def test_copies_that_stay_together_and_rows_of_one_image_are_fine() -> None:
    together = clusters([0, 1, 0])
    for folds, groups, paths in (
        ([1, 0, 1], ["a", "b", "a"], ["p", "q", "r"]),
        ([0, 0, 1], ["a", "b", "c"], ["p", "q", "p"]),  # one image, two rows
        ([0, 0, None], ["a", "b", None], ["p", "q", "r"]),  # role test
    ):
        (found,) = copies_apart(together, folds, groups, paths)
        assert found.level is Level.OK


def test_a_class_that_no_row_is_said_to_have_is_unnamed_if_many_have_it() -> None:
    labels = np.array([0] * 30 + [1] * 30 + [2] * 5)
    probabilities = np.tile(np.array([0.6, 0.3, 0.1], np.float32), (65, 1))
    assert unnamed(labels, probabilities) == {1: 30}  # five rows of class 2 may be chance
    several = np.stack([labels == 0, labels == 1], axis=1).astype(np.int64)
    assert unnamed(several, probabilities[:, :2]) == {1: 30}


# ---- failures -------------------------------------------------------------------------------------


def test_failures_of_one_kind_are_told_from_single_ones() -> None:
    failed = [
        *(FailedTrial(number, "exception", f"out of memory on GPU {number}") for number in range(4)),
        FailedTrial(9, "exception", "no such file"),
    ]
    (kind,) = of_one_kind(failed, 20)
    assert [item.trial for item in kind] == [0, 1, 2, 3]  # a number in the message tells none apart
    assert not of_one_kind(failed, 100)  # 4 of 100 may be bad luck
    assert not of_one_kind(failed[3:], 20)


# ---- baselines ------------------------------------------------------------------------------------


def test_the_classes_shares_of_a_row_come_from_other_folds() -> None:
    labels, folds = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1], np.int16)
    found = class_shares(labels, folds, 2)
    assert found.tolist() == [[0, 1], [0, 1], [1, 0], [1, 0]]  # its own fold's would be right on every row


def baseline_rows(labels: NDArray[np.int64], folds: NDArray[np.integer]) -> BaselineRows:
    paths = tuple(f"{row}.png" for row in range(len(labels)))
    return BaselineRows(np.arange(len(labels)) + 100, paths, Path(), labels, folds.astype(np.int16), 2)


def test_a_baseline_knows_nothing_of_the_rows_it_answers() -> None:
    """Features that name each group, whose labels are drawn: who was fitted to the judged rows knows them."""
    rng = np.random.default_rng(5)
    groups = np.arange(120) // 4
    labels, features = rng.integers(0, 2, 30)[groups], np.eye(30, dtype=np.float32)[groups]
    honest = fit(baseline_rows(labels, groups % 3), "x", features)
    assert (honest.probabilities.argmax(axis=1) == labels).mean() < 0.7
    torn = fit(baseline_rows(labels, np.arange(120) % 3), "x", features)  # where groups are torn, it does
    assert (torn.probabilities.argmax(axis=1) == labels).mean() > 0.95


def test_a_baseline_learns_what_features_say_and_leaves_out_what_cannot_be_read() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 150)
    features = (labels[:, None] + 0.1 * rng.normal(size=(150, 3))).astype(np.float32)
    features[7] = math.nan
    found = fit(baseline_rows(labels, np.arange(150) % 3), "x", features)
    assert len(found.rows) == 149 and 107 not in found.rows
    assert (found.probabilities.argmax(axis=1) == np.delete(labels, 7)).all()


def test_models_of_different_folds_that_are_one_file_are_a_warning() -> None:
    keys = [FoldRunKey(trial, fold) for trial in (4, 7) for fold in (0, 1)]
    (found,) = one_file(dict(zip(keys, ["same", "same", "own", "same"], strict=True)))
    assert found.level is Level.WARNING and found.trials == (4, 7) and "3 of 4 fold models" in found.found
    assert "trial 4 fold 0, trial 4 fold 1, trial 7 fold 1" in found.found
    (found,) = one_file(dict(zip(keys, ["one", "other", "one", "third"], strict=True)))
    assert found.level is Level.NOTE and "trial 4 fold 0, trial 7 fold 0" in found.found
    (found,) = one_file(dict(zip(keys, "abcd", strict=True)))
    assert found.level is Level.OK

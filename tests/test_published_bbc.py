"""The re-run of BBC-CV's published simulation: what it leaves out is what it scores."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.published_bbc import draw, left_out_score
from orchestrator.evaluation.bbc import bbc
from orchestrator.evaluation.intervals import Answers
from orchestrator.evaluation.resamples import Resamples, bags


def test_the_configuration_is_chosen_in_the_bag_and_scored_outside_of_it() -> None:
    right = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], np.float32)
    weights = np.array([[2, 1, 1, 0], [0, 1, 0, 3]], np.float32)
    assert left_out_score(right, Resamples(weights)) == (0.0 + 0.5) / 2


def test_the_best_of_many_flatters_and_bbc_does_not() -> None:
    rng = np.random.default_rng(0)
    found = [draw(50, 100, (24, 6), 50, rng) for _ in range(40)]
    bias = {name: np.mean([item[1][name] - item[0] for item in found]) for name in found[0][1]}
    assert bias["naive"] > 0.02
    assert max(abs(bias["bbc"]), abs(bias["parts"])) < bias["naive"] / 2


def test_a_bag_of_all_rows_is_not_scored() -> None:
    assert (bags(3, 50, np.random.default_rng(0)).weights == 0).any(axis=1).all()


def test_it_is_the_estimate_that_is_printed_of_an_ensemble() -> None:
    rng = np.random.default_rng(1)
    right = (rng.random((6, 60)) < 0.7).astype(np.float32)
    labels, groups = rng.integers(0, 2, 60), [f"{row:02d}" for row in range(60)]
    answers = np.stack([np.where(own, labels, 1 - labels) for own in right.astype(bool)])
    members = np.eye(2, dtype=np.float32)[answers]

    def best(weights: np.ndarray) -> np.ndarray:
        found: np.ndarray = members[(right @ weights).argmax()]
        return found

    given = Answers(labels, best(np.ones(60)), np.zeros(60, np.int16), groups, "accuracy")
    printed = bbc(best, given, np.random.default_rng(2), 50).score
    assert printed == pytest.approx(left_out_score(right, bags(60, 50, np.random.default_rng(2))), abs=1e-6)

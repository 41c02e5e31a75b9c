"""The re-run of BBC-CV's published simulation: what it leaves out is what it scores."""

from __future__ import annotations

import numpy as np

from benchmarks.published_bbc import draw, left_out_score
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

"""Thresholds of several labels: the best ones, fitted so that no row is judged by what it helped to fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from orchestrator.evaluation.thresholds import (
    Thresholds,
    best_f1_thresholds,
    decide_labels,
    fit_thresholds,
    mean_f1,
)


def rows(seed: int, n: int = 60, labels: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, labels)) < [0.5, 0.2, 0.1, 0.05][:labels]).astype(np.int64)
    chances = np.clip(0.35 * truth + rng.random((n, labels)) * 0.5, 0, 1).astype(np.float32)
    return truth, chances.round(2), (np.arange(n) % 3).astype(np.int16)


@pytest.mark.parametrize("seed", range(2))
def test_no_other_threshold_has_a_larger_f1(seed: int) -> None:
    truth, chances, _ = rows(seed)
    found = best_f1_thresholds(truth, chances)
    for at in range(truth.shape[1]):
        own = f1_score(truth[:, at], chances[:, at] >= found[at], zero_division=0)
        tried = [
            f1_score(truth[:, at], chances[:, at] >= cut, zero_division=0)
            for cut in np.arange(0.005, 1, 0.01)
        ]
        assert own >= max(tried) - 1e-12


@pytest.mark.parametrize(
    "truth, chances, threshold",
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9], 0.25),
        ([0, 1], [0.125, 0.25], 0.1875),
        ([0, 1, 1], [0.5, 0.5, 0.5], 0.25),  # equal probabilities cannot be told apart
        ([0, 0], [0.3, 0.1], 0.5),  # no row has it
        ([1, 1], [0.3, 0.1], 0.5),  # every row has it
        ([0, 1, 0, 1], [0.0, 0.4, 0.2, 0.8], 0.3),
    ],
)
def test_thresholds_lie_between_two_probabilities(
    truth: list[int], chances: list[float], threshold: float
) -> None:
    found = best_f1_thresholds(np.array(truth)[:, None], np.array(chances, np.float32)[:, None])
    assert found == pytest.approx([threshold], abs=1e-6)


def test_a_row_never_helps_to_fit_the_threshold_it_is_judged_with() -> None:
    truth, chances, folds = rows(7)
    fitted = fit_thresholds(truth, chances, folds)
    decided = np.zeros_like(truth)
    for fold in range(3):
        others = folds != fold
        decided[folds == fold] = chances[folds == fold] >= best_f1_thresholds(truth[others], chances[others])
    assert fitted.f1 == pytest.approx(mean_f1(truth, decided))
    assert fitted.f1 == pytest.approx(f1_score(truth, decided, average="macro", zero_division=0))
    # On the very rows they were fitted to, the thresholds look better than that.
    assert mean_f1(truth, decide_labels(chances, best_f1_thresholds(truth, chances))) > fitted.f1
    # Labels without a relation to the probabilities gain nothing from thresholds fitted elsewhere ...
    noise = np.random.default_rng(1).random(chances.shape).astype(np.float32)
    assert fit_thresholds(truth, noise, folds).f1 < mean_f1(
        truth, fit_thresholds(truth, noise, folds).decide(noise)
    )


def test_thresholds_that_gain_nothing_on_rows_they_have_not_seen_are_not_used() -> None:
    """Two folds whose models are calibrated differently: what suits the one ruins the other."""
    truth = np.array([[1], [0], [1], [0]])
    chances = np.array([[0.9], [0.45], [0.55], [0.1]], np.float32)
    fitted = fit_thresholds(truth, chances, np.array([0, 0, 1, 1], np.int16))
    assert fitted.f1 < fitted.f1_at_half == 1 and fitted.values == (0.5,)
    truth, chances, folds = rows(7)  # none of a half of them reaches 0.5
    fitted = fit_thresholds(truth, chances / 2, folds)
    assert fitted.f1 > fitted.f1_at_half and max(fitted.values) < 0.5


def test_where_every_known_row_has_a_label_every_row_gets_one() -> None:
    chances = np.array([[0.1, 0.3], [0.6, 0.1]], np.float32)
    thresholds = np.array([0.2, 0.5])
    assert decide_labels(chances, thresholds).tolist() == [[0, 0], [1, 0]]
    assert decide_labels(chances, thresholds, at_least_one=True).tolist() == [[1, 0], [1, 0]]
    folds = np.array([0, 1], np.int16)
    assert fit_thresholds(np.array([[1, 0], [0, 1]]), chances, folds).at_least_one
    assert not fit_thresholds(np.array([[1, 0], [0, 0]]), chances, folds).at_least_one


def test_they_are_the_same_after_json() -> None:
    fitted = fit_thresholds(*rows(3))
    assert Thresholds.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted

"""Temperature: the right one is found, on other rows than it is scored on, or none is used."""

from __future__ import annotations

import json

import numpy as np
import pytest

from orchestrator.core.metrics import log_loss, score
from orchestrator.evaluation.calibration import (
    Temperature,
    calibrate,
    calibration_scores,
    equal_mass_ece,
    fit_temperature,
)
from orchestrator.evaluation.pool import Answers, JudgedRows

N = 800


def rows(multi_label: bool, seed: int = 0) -> tuple[JudgedRows, np.ndarray]:
    """Labels drawn from the probabilities: these are calibrated."""
    rng = np.random.default_rng(seed)
    codes = np.arange(N) // 2
    if multi_label:
        chances = rng.beta(1, 2, size=(N, 3)).astype(np.float32)
        labels = (rng.random((N, 3)) < chances).astype(np.int64)
    else:
        chances = rng.dirichlet([1, 1, 1], size=N).astype(np.float32)
        labels = (rng.random((N, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    judged = JudgedRows(
        labels=labels, folds=(codes % 4).astype(np.int16), codes=codes, metric="macro_f1", mode="max"
    )
    return judged, chances


def answers_of(chances: np.ndarray, folds: np.ndarray) -> Answers:
    return Answers(chances, dict.fromkeys(np.unique(folds).tolist(), chances))


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("value", [0.4, 2.5])
def test_the_temperature_that_spoilt_probabilities_is_undone(multi_label: bool, value: float) -> None:
    judged, chances = rows(multi_label)
    spoilt = Temperature(value, multi_label).apply(chances)
    assert fit_temperature(judged.labels, spoilt).value == pytest.approx(1 / value, rel=0.12)
    found = calibrate(judged, answers_of(spoilt, judged.folds))
    assert found.gate.accepted and found.after.nll < found.before.nll
    assert found.after.ece < found.before.ece and found.after.brier < found.before.brier
    crossed = found.answers.crossed(judged.folds)
    assert found.after.nll == pytest.approx(log_loss(judged.labels, crossed), rel=1e-5)
    assert np.array_equal(found.answers.final, found.temperature.apply(spoilt))


@pytest.mark.parametrize("multi_label", [False, True])
def test_no_other_temperature_has_a_smaller_loss(multi_label: bool) -> None:
    judged, chances = rows(multi_label)
    weights = np.random.default_rng(1).integers(0, 3, N).astype(float)
    found = fit_temperature(judged.labels, chances, weights)
    twice = np.repeat(np.arange(N), weights.astype(int))

    def loss(value: float) -> float:
        return log_loss(judged.labels[twice], Temperature(value, multi_label).apply(chances[twice]))

    assert all(loss(found.value) <= loss(value) + 1e-6 for value in np.linspace(0.3, 3, 28))
    assert fit_temperature(judged.labels[twice], chances[twice]).value == pytest.approx(found.value, rel=1e-3)


def test_calibrated_answers_are_left_alone_and_the_reason_is_told() -> None:
    kept = 0
    for seed in range(8):
        judged, chances = rows(False, seed)
        found = calibrate(judged, answers_of(chances, judged.folds))
        kept += found.temperature.value == 1 and found.answers.final is chances
        assert "log_loss on rows not fitted to" in found.gate.reason
    assert kept >= 6


def test_a_fold_is_judged_at_a_temperature_that_has_not_seen_its_labels() -> None:
    judged, chances = rows(False)
    spoilt = Temperature(0.4).apply(chances)
    found = calibrate(judged, answers_of(spoilt, judged.folds))
    for fold in range(4):
        other = fit_temperature(judged.labels, spoilt, (judged.folds != fold).astype(float))
        assert np.array_equal(found.answers.without[fold], other.apply(spoilt))
    poked = np.where(judged.folds == 2, 2 - judged.labels, judged.labels)
    changed = JudgedRows(labels=poked, folds=judged.folds, codes=judged.codes, metric="macro_f1", mode="max")
    without = calibrate(changed, answers_of(spoilt, judged.folds)).answers.without
    assert np.array_equal(without[2], found.answers.without[2])
    assert not np.array_equal(without[1], found.answers.without[1])


def test_labels_of_rows_of_weight_0_and_the_order_of_rows_change_nothing() -> None:
    judged, chances = rows(False)
    weights = (judged.codes % 5 > 0).astype(float)
    poked = np.where(weights > 0, judged.labels, 2 - judged.labels)
    fitted = fit_temperature(judged.labels, chances, weights)
    assert fit_temperature(poked, chances, weights) == fitted
    order = np.random.default_rng(0).permutation(N)
    assert fit_temperature(judged.labels[order], chances[order], weights[order]) == fitted


def test_one_fold_and_constant_answers_are_not_calibrated() -> None:
    judged, chances = rows(False)
    one = calibrate(judged, Answers(chances, {}))
    assert one.temperature.value == 1 and "one fold only" in one.gate.reason and one.before == one.after
    flat = np.full((N, 3), 1 / 3, np.float32)
    assert not calibrate(judged, answers_of(flat, judged.folds)).gate.accepted
    json.dumps(one.to_json())


def test_the_calibration_error_has_bins_of_equal_weight() -> None:
    judged, chances = rows(False)
    top, own = chances.argmax(axis=1), chances.max(axis=1)
    order = np.argsort(own)
    bins = np.array_split(order, 16)
    errors = [abs(((top == judged.labels)[rows] - own[rows]).sum()) for rows in bins]
    assert equal_mass_ece(judged.labels, chances, np.ones(N), 16) == pytest.approx(sum(errors) / N, abs=1e-6)
    # Rows of the same probability stay together: nothing depends on their order.
    same = np.tile(np.array([[0.7, 0.2, 0.1]], np.float32), (10, 1))
    labels = np.array([0] * 5 + [1] * 5)
    assert equal_mass_ece(labels, same, np.ones(10)) == pytest.approx(0.2, abs=1e-6)
    assert equal_mass_ece(labels, same, np.repeat([7.0, 3.0], 5)) == pytest.approx(0, abs=1e-6)
    found = calibration_scores(judged.labels, chances, np.ones(N))
    assert found.brier == pytest.approx(score("brier", judged.labels, chances))


def test_temperatures_are_the_same_after_json() -> None:
    fitted = Temperature(1.7, True)
    assert Temperature.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted

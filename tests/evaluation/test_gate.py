"""The gate: its standard error is the one known for means, and its answers to what cannot be told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from orchestrator.evaluation.gate import Gate, paired_gate
from orchestrator.evaluation.pool import JudgedRows


def rows(
    n: int, groups: np.ndarray, metric: str = "accuracy", seed: int = 0
) -> tuple[JudgedRows, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    judged = JudgedRows(
        labels=labels, folds=(groups % 5).astype(np.int16), codes=groups, metric=metric, mode="max"
    )
    return judged, rng.dirichlet([1, 1, 1], size=(2, n)).astype(np.float32)


def test_of_a_mean_over_rows_it_is_the_standard_error_of_a_paired_difference() -> None:
    judged, answers = rows(50, np.arange(50))
    gate = paired_gate(judged, answers[0], answers[1])
    hits = (answers.argmax(axis=2) == judged.labels).astype(float)
    difference = hits[1] - hits[0]
    assert gate.gain == pytest.approx(difference.mean())
    assert gate.se == pytest.approx(difference.std(ddof=1) / np.sqrt(50))


def test_rows_of_one_group_are_not_counted_as_independent() -> None:
    judged, answers = rows(40, np.arange(40))
    alone = paired_gate(judged, answers[0], answers[1])
    again = np.tile(np.arange(40), 4)
    copied, _ = rows(160, again)
    labels = judged.labels[again]
    copied = JudgedRows(labels=labels, folds=copied.folds, codes=again, metric="accuracy", mode="max")
    fourfold = paired_gate(copied, answers[0][again], answers[1][again])
    assert (fourfold.gain, fourfold.se) == pytest.approx((alone.gain, alone.se))


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss", "roc_auc"])
def test_a_group_of_weight_2_counts_as_two_groups(metric: str) -> None:
    judged, answers = rows(20, np.arange(20) // 2, metric)
    weights = np.where(judged.codes < 4, 2.0, 1.0)
    weighted = paired_gate(judged, answers[0], answers[1], weights)
    twice = np.concatenate([np.arange(20), np.arange(8)])
    codes = np.concatenate([judged.codes, judged.codes[:8] + 100])
    drawn = JudgedRows(
        labels=judged.labels[twice], folds=judged.folds[twice], codes=codes, metric=metric, mode="max"
    )
    doubled = paired_gate(drawn, answers[0][twice], answers[1][twice])
    assert (weighted.gain, weighted.se) == pytest.approx((doubled.gain, doubled.se))


def test_a_smaller_loss_is_a_gain() -> None:
    judged, answers = rows(40, np.arange(40))
    sure = np.eye(3, dtype=np.float32)[judged.labels] * 0.9 + np.float32(1 / 30)
    gate = paired_gate(judged.by("log_loss", "min"), answers[0], sure)
    assert gate.gain > 0 and gate.accepted and "more than its standard error" in gate.reason
    assert not paired_gate(judged.by("log_loss", "min"), sure, answers[0]).accepted


def test_equal_answers_few_groups_and_undefined_metrics_are_refused_in_words() -> None:
    judged, answers = rows(40, np.arange(40))
    same = paired_gate(judged, answers[0], answers[0])
    assert (same.gain, same.se, same.accepted) == (0, 0, False)
    judged, answers = rows(40, np.arange(40) % 2)
    sure = np.eye(3, dtype=np.float32)[judged.labels]
    few = paired_gate(judged, answers[0], sure)
    assert few.gain > 0 and not few.accepted and "2 groups cannot tell" in few.reason
    one_class = JudgedRows(
        labels=np.zeros(40, np.int64), folds=judged.folds, codes=np.arange(40), metric="roc_auc", mode="max"
    )
    none = paired_gate(one_class, answers[0][:, :2], answers[1][:, :2])
    assert not none.accepted and "undefined" in none.reason
    assert Gate.from_json(json.loads(json.dumps(few.to_json()))).reason == few.reason


def test_labels_of_rows_of_weight_0_change_nothing() -> None:
    judged, answers = rows(60, np.arange(60) // 3, "macro_f1")
    weights = (judged.codes % 4 > 0).astype(float)
    other = np.where(weights > 0, judged.labels, 2 - judged.labels)
    poked = JudgedRows(labels=other, folds=judged.folds, codes=judged.codes, metric="macro_f1", mode="max")
    assert paired_gate(judged, answers[0], answers[1], weights) == paired_gate(
        poked, answers[0], answers[1], weights
    )

"""Offsets, cut points and thresholds: what they decide, and that they are used only where they pay."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from orchestrator.core.metrics import find, score
from orchestrator.evaluation.decisions import Decisions, choose_decisions, class_number, fit_decisions
from orchestrator.evaluation.offsets import LIMIT, fit_cut_points, fit_offsets
from orchestrator.evaluation.pool import Answers, JudgedRows
from tests.evaluation.pools import drawn_labels_pool

N = 900


def skewed(metric: str = "macro_f1", seed: int = 0) -> tuple[JudgedRows, np.ndarray]:
    """A rare class that is seldom the most probable one."""
    rng = np.random.default_rng(seed)
    codes = np.arange(N) // 2
    labels = rng.choice(3, N, p=[0.65, 0.25, 0.1])
    logits = 1.3 * np.eye(3)[labels] + rng.normal(size=(N, 3)) + np.log([0.65, 0.25, 0.1])
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return judged(labels, codes, metric), chances.astype(np.float32)


def judged(labels: np.ndarray, codes: np.ndarray, metric: str) -> JudgedRows:
    return JudgedRows(
        labels=labels, folds=(codes % 5).astype(np.int16), codes=codes, metric=metric, mode="max"
    )


def answers_of(chances: np.ndarray, folds: np.ndarray) -> Answers:
    return Answers(chances, dict.fromkeys(np.unique(folds).tolist(), chances))


@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy"])
def test_offsets_help_a_rare_class_on_rows_they_were_not_fitted_to(metric: str) -> None:
    rows, chances = skewed(metric)
    found = choose_decisions(rows, answers_of(chances, rows.folds))
    assert found.decisions is not None and found.gate is not None and found.gate.accepted
    assert found.decisions.values[2] > found.decisions.values[0]
    crossed = found.answers.crossed(rows.folds)
    assert score(metric, rows.labels, crossed) > score(metric, rows.labels, chances) + 0.02
    assert np.array_equal(found.answers.final, found.decisions.apply(chances))
    assert np.allclose(crossed.sum(axis=1), 1, atol=1e-5)


def test_the_score_along_the_grid_is_that_of_the_offsets_applied() -> None:
    """Fitted offsets reach what a search of whole grids reaches, but for what shrinkage costs."""
    rows, chances = skewed()
    values = fit_offsets(rows.labels, chances, rows.codes, np.ones(N), find("macro_f1").of)
    grid = np.linspace(-LIMIT, LIMIT, 16)
    best = max(
        score("macro_f1", rows.labels, Decisions("offsets", (0.0, one, two)).apply(chances))
        for one, two in product(grid, grid)
    )
    found = score("macro_f1", rows.labels, Decisions("offsets", tuple(values)).apply(chances))
    plain = score("macro_f1", rows.labels, chances)
    assert plain < found <= best + 1e-3 and best - found < 0.3 * (best - plain)


@pytest.mark.parametrize("seed", range(3))
def test_counts_along_a_grid_are_those_of_the_rows(seed: int) -> None:
    from orchestrator.evaluation.offsets import _Counts

    rows, chances = skewed(seed=seed)
    weights = np.random.default_rng(seed).integers(1, 3, N).astype(float)
    grid, offsets = np.linspace(-LIMIT, LIMIT, 7), np.array([0.3, -0.4, 0.9])
    counts = _Counts(np.log(chances.astype(float)), rows.labels, weights).along(offsets, 1, grid)
    for at, value in enumerate(grid):
        moved = np.log(chances.astype(float)) + np.array([0.3, value, 0.9])
        decided = moved.argmax(axis=1)
        assert np.array_equal(counts.predicted[at], np.bincount(decided, weights, 3))
        right = decided == rows.labels
        assert np.array_equal(counts.hits[at], np.bincount(decided[right], weights[right], 3))


def test_a_class_of_few_groups_keeps_its_odds() -> None:
    rows, chances = skewed()
    few = np.flatnonzero(rows.labels == 2)[:4]
    labels = np.where(rows.labels == 2, 0, rows.labels)
    labels[few] = 2
    found = fit_decisions(judged(labels, rows.codes, "macro_f1"), chances)
    assert found is not None and found.values[2] == 0 and max(map(abs, found.values)) <= LIMIT


def test_offsets_that_gain_nothing_are_not_used() -> None:
    refused = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        labels, codes = rng.integers(0, 3, 300), np.arange(300)
        logits = 2.5 * np.eye(3)[labels] + rng.normal(size=(300, 3))
        chances = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
        found = choose_decisions(judged(labels, codes, "macro_f1"), answers_of(chances, codes % 5))
        refused += found.decisions is None and found.answers.final is chances
    assert refused >= 4


@pytest.mark.parametrize("noise", [0.0, 1e-4])
@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy"])
def test_answers_that_tell_no_rows_apart_get_no_offsets(metric: str, noise: float) -> None:
    """Another class for each fold looks like a gain on all rows at once: a sixth becomes up to a third."""
    codes = np.arange(240) // 4
    for seed in range(8):
        rng = np.random.default_rng(seed)
        rows = judged(rng.integers(0, 3, 60)[codes], codes, metric)
        chances = np.full((240, 3), 1 / 3) + noise * rng.normal(size=(240, 3))
        found = choose_decisions(rows, answers_of(chances.astype(np.float32), rows.folds))
        assert found.decisions is None and found.gate is not None and not found.gate.accepted


def test_cut_points_suit_answers_that_lean_to_the_middle() -> None:
    rng = np.random.default_rng(0)
    labels, codes = rng.integers(0, 5, N), np.arange(N) // 2
    centre = 2 + 0.5 * (labels - 2) + 0.4 * rng.normal(size=N)
    logits = -((np.arange(5) - centre[:, None]) ** 2)
    chances = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    rows = judged(labels, codes, "quadratic_weighted_kappa")
    found = choose_decisions(rows, answers_of(chances, rows.folds))
    assert found.decisions is not None and list(found.decisions.values) == sorted(found.decisions.values)
    assert found.decisions.values[0] > 0.6 and found.decisions.values[-1] < 3.4  # drawn to the middle
    decided = found.answers.crossed(rows.folds).argmax(axis=1)
    plain = cohen_kappa_score(labels, chances.argmax(axis=1), weights="quadratic")
    assert cohen_kappa_score(labels, decided, weights="quadratic") > plain + 0.02
    # The best of all cut points of two classes at once is not much better on the rows they were fitted to.
    of = find("quadratic_weighted_kappa").of
    cuts = fit_cut_points(labels, class_number(chances), codes, np.ones(N), 5, of)
    assert np.allclose(cuts, found.decisions.values, atol=0.25)


def test_a_cut_point_decides_what_argmax_finds() -> None:
    chances = np.array([[1, 0, 0], [0.5, 0, 0.5], [0, 0, 1], [0.4, 0.35, 0.25]], np.float32)
    decided = Decisions("cut_points", (0.2, 1.9)).apply(chances)
    assert decided.argmax(axis=1).tolist() == [0, 1, 2, 1]
    assert np.allclose(decided.sum(axis=1), 1)
    never = Decisions("cut_points", (1.0, 1.0)).apply(chances)  # the middle class is never decided
    assert never.argmax(axis=1).tolist() == [0, 2, 2, 0]


def test_thresholds_become_a_cut_at_a_half() -> None:
    pool = drawn_labels_pool(0, [0.8], n=400)
    low = pool.members[0] ** 2  # half of what it should be
    found = choose_decisions(pool, answers_of(low, pool.folds))
    assert found.decisions is not None and found.decisions.kind == "thresholds"
    assert max(found.decisions.values) < 0.5
    after = score("macro_f1", pool.labels, found.answers.crossed(pool.folds))
    assert after > score("macro_f1", pool.labels, low) + 0.02
    decided = (found.answers.final >= 0.5).astype(int)
    assert np.array_equal(decided, (low >= np.array(found.decisions.values)).astype(int))
    assert score("macro_f1", pool.labels, found.answers.final) == pytest.approx(
        f1_score(pool.labels, decided, average="macro")
    )
    always = Decisions("thresholds", (0.2, 0.5), at_least_one=True)
    assert (always.apply(np.array([[0.1, 0.3], [0.6, 0.1]], np.float32)) >= 0.5).tolist() == [
        [True, False],  # the label that is nearest to its threshold
        [True, False],
    ]


@pytest.mark.parametrize("value", [1e-6, 0.3, 0.5, 0.999999, 1.0])
def test_a_threshold_is_exact_in_float32(value: float) -> None:
    near = np.float32(value)
    chances = np.array([[np.nextafter(near, np.float32(0))], [near], [0.0], [1.0]], np.float32)
    decided = Decisions("thresholds", (float(near),)).apply(chances)
    assert (decided[:, 0] >= 0.5).tolist() == [False, True, False, True]
    assert decided.min() >= 0 and decided.max() <= 1


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc", "accuracy"])
def test_metrics_that_need_no_decisions_get_none(metric: str) -> None:
    rows, chances = skewed(metric)
    found = choose_decisions(rows, answers_of(chances, rows.folds))
    assert found.decisions is None and found.gate is None and found.answers.final is chances


def test_a_fold_is_decided_by_what_has_not_seen_its_labels() -> None:
    rows, chances = skewed()
    poked = judged(np.where(rows.folds == 2, 2 - rows.labels, rows.labels), rows.codes, "macro_f1")
    first, second = (fit_decisions(item, chances, (rows.folds != 2).astype(float)) for item in (rows, poked))
    assert first == second and first is not None
    found = choose_decisions(rows, answers_of(chances, rows.folds))
    assert np.array_equal(found.answers.without[2], first.apply(chances))


@pytest.mark.parametrize("metric", ["macro_f1", "quadratic_weighted_kappa"])
def test_a_weight_of_2_is_the_row_twice_and_order_does_not_matter(metric: str) -> None:
    rows, chances = skewed(metric)
    weights = np.random.default_rng(0).integers(0, 3, N).astype(float)
    twice = np.random.default_rng(1).permutation(np.repeat(np.arange(N), weights.astype(int)))
    again = judged(rows.labels[twice], rows.codes[twice], metric)
    assert fit_decisions(rows, chances, weights) == fit_decisions(again, chances[twice])


def test_one_fold_is_not_decided_by_its_own_labels() -> None:
    rows, chances = skewed()
    found = choose_decisions(rows, Answers(chances, {}))
    assert found.decisions is None and found.gate is not None and "one fold only" in found.gate.reason


def test_decisions_are_the_same_after_json() -> None:
    fitted = Decisions("offsets", (0.1, -0.2))
    assert Decisions.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted
    with pytest.raises(ValueError, match="'loud' are not known"):
        Decisions.from_json({"kind": "loud", "values": [], "at_least_one": False})

"""Greedy weights against every multiset of small pools."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

from orchestrator.core.metrics import score
from orchestrator.evaluation.part_sums import Parts
from orchestrator.evaluation.pool import Pool
from orchestrator.evaluation.pool_votes import PoolVotes
from orchestrator.evaluation.voting import soft_vote
from orchestrator.evaluation.weights import GreedyRule, GreedySearch, mean_weights
from tests.evaluation.pools import drawn_labels_pool, drawn_pool

STEPS = 6


def search(pool: Pool, rule: GreedyRule | None = None) -> GreedySearch:
    parts = Parts.by(pool.folds, np.ones(len(pool.folds)))
    rule = GreedyRule(steps=STEPS, patience=STEPS, bags=0) if rule is None else rule
    families = [pool.families[at] for at in pool.by_name] if pool.families else []
    return GreedySearch(PoolVotes(pool), parts, np.ones((1, parts.count)), pool.sign, families, rule)


def greedy(pool: Pool, rule: GreedyRule | None = None) -> np.ndarray:
    return search(pool, rule).weights(0, np.random.default_rng(0))


def value(pool: Pool, weights: np.ndarray) -> float:
    return pool.sign * score(pool.metric, pool.labels, soft_vote(pool.members, weights))


def best_of_all(pool: Pool) -> float:
    size = len(pool.names)
    multisets = [
        np.bincount(chosen, minlength=size)
        for steps in range(1, STEPS + 1)
        for chosen in combinations_with_replacement(range(size), steps)
    ]
    return max(value(pool, counts) for counts in multisets)


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "log_loss", "brier"])
@pytest.mark.parametrize("seed", range(3))
def test_greedy_is_near_the_best_multiset_and_never_above_it(metric: str, seed: int) -> None:
    pool = drawn_pool(seed, [1.4, 1.2, 1.0, 0.8], n=120, metric=metric)
    found, best = value(pool, greedy(pool)), best_of_all(pool)
    single = max(value(pool, one) for one in np.eye(4))
    assert found <= best + 1e-6 and found >= single - 1e-6
    assert best - found <= 0.35 * (best - single) + 1e-6


@pytest.mark.parametrize("metric", ["macro_f1", "quadratic_weighted_kappa", "log_loss"])
@pytest.mark.parametrize("seed", range(3))
def test_of_two_members_the_best_mixture_is_found(metric: str, seed: int) -> None:
    pool = drawn_pool(seed, [1.2, 1.0], n=80, metric=metric)
    assert value(pool, greedy(pool)) == pytest.approx(best_of_all(pool), abs=1e-6)


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "log_loss"])
def test_several_labels_are_selected_for_alike(metric: str) -> None:
    pool = drawn_labels_pool(1, [0.8, 0.7, 0.5], metric=metric)
    found, best = value(pool, greedy(pool)), best_of_all(pool)
    assert max(value(pool, one) for one in np.eye(3)) < found <= best + 1e-6


def test_of_equal_members_the_first_by_name_is_taken_alone() -> None:
    pool = drawn_pool(0, [1.0])
    same = Pool(
        members=np.repeat(pool.members, 3, axis=0), labels=pool.labels, folds=pool.folds, codes=pool.codes,
        metric="macro_f1", mode="max", names=("c", "a", "b"),
    )  # fmt: skip
    assert greedy(same).tolist() == [1, 0, 0]  # in the order of names


def test_of_one_family_only_so_many_are_taken() -> None:
    pool = drawn_pool(0, [1.0] * 5, families=("a", "a", "a", "a", "b"))
    for most in (1, 2):
        found = greedy(pool, GreedyRule(steps=12, patience=12, per_family=most, bags=0))
        assert np.count_nonzero(found[:4]) == most
    pair = drawn_pool(0, [1.0] * 2, families=("a", "a"))
    assert np.count_nonzero(greedy(pair, GreedyRule(per_family=1))) == 1


def test_bags_average_over_subsets_of_the_pool_and_are_drawn_from_the_rng() -> None:
    pool = drawn_pool(0, [1.0] * 8)
    rule = GreedyRule(bags=6)
    first, again = (search(pool, rule).weights(0, np.random.default_rng(3)) for _ in range(2))
    other = search(pool, rule).weights(0, np.random.default_rng(4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.sum() == pytest.approx(1)
    assert np.count_nonzero(first) >= np.count_nonzero(greedy(pool, GreedyRule(bags=0)))


def test_the_mean_of_weights_drops_members_below_a_hundredth() -> None:
    found = mean_weights(
        [np.array([1.0, 0, 0]), np.array([0.979, 0.003, 0.018]), np.array([0.979, 0.003, 0.018])]
    )
    assert found[1] == 0 and found[2] > 0 and found.sum() == pytest.approx(1)
    many = mean_weights([np.full(200, 0.005)])
    assert many == pytest.approx(np.full(200, 0.005))

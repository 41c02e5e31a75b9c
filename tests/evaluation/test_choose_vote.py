"""The choice of a vote: what pays is taken, what does not is refused in words, bad input has an answer."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from orchestrator.core.choices import VOTE_KINDS
from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import score
from orchestrator.evaluation.choose_vote import Considered, VoteChoice, choose_vote
from orchestrator.evaluation.pool import Pool
from orchestrator.evaluation.voting import soft_vote
from tests.evaluation.pools import drawn_labels_pool, drawn_pool, permuted


def noise_pool(seed: int, metric: str = "macro_f1") -> Pool:
    return drawn_pool(seed, [0.0] * 6, n=240, classes=4, metric=metric)


def bytes_of(choice: VoteChoice, pool: Pool) -> tuple[object, ...]:
    """Everything, in an order that does not depend on the pool's."""
    weights = {pool.names[at]: choice.fitted.weights[at] for at in range(len(pool.names))}
    rows = np.lexsort((pool.members[pool.by_name[0], :, 0], pool.codes))
    final, crossed = choice.answers.final[rows], choice.answers.crossed(pool.folds)[rows]
    return choice.name, choice.candidates, tuple(sorted(weights.items())), final.tobytes(), crossed.tobytes()


def test_members_that_complete_each_other_are_voted_and_the_gain_is_told() -> None:
    pool = drawn_pool(0, [1.0] * 5, n=600)
    choice = choose_vote(pool)
    best, chosen = choice.candidates[0], {item.name: item for item in choice.candidates}[choice.name]
    assert choice.name != best.name and chosen.gate.accepted
    assert chosen.gate.gain > 5 * chosen.gate.se > 0
    assert f"{chosen.gate.gain:+.4f} macro_f1 against {best.name}" in choice.reason
    crossed = score("macro_f1", pool.labels, choice.answers.crossed(pool.folds))
    assert chosen.score == pytest.approx(crossed) and chosen.score - best.score == pytest.approx(
        chosen.gate.gain
    )
    for item in choice.candidates:
        assert Considered.from_json(json.loads(json.dumps(item.to_json()))).gate.reason == item.gate.reason


def test_one_strong_member_among_noise_is_never_outvoted() -> None:
    alone = 0
    for seed in range(4):
        choice = choose_vote(drawn_pool(seed, [2.5, 0.0, 0.0, 0.0, 0.0], n=600), quick=True)
        uniform = choice.candidates[1].gate
        assert not uniform.accepted and uniform.gain < -uniform.se and uniform.reason
        assert choice.fitted.weights[0] > 0.6
        alone += choice.name == "trial 0" and choice.fitted.weights == (1, 0, 0, 0, 0)
    assert alone >= 2


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "log_loss"])
def test_of_noise_a_single_trial_is_taken(metric: str) -> None:
    refused = 0
    for seed in range(8):
        choice = choose_vote(noise_pool(seed, metric), quick=True)
        refused += choice.name == choice.candidates[0].name
    assert refused >= 7


def test_equal_weights_stay_unless_the_best_trial_is_better_beyond_its_error() -> None:
    kept_though_lower = refused = 0
    for seed in range(12):
        choice = choose_vote(drawn_pool(seed, [1.6, 0.6, 0.5], n=240), quick=True)
        uniform = choice.candidates[1].gate
        no_worse = "but not more than one worse" in uniform.reason
        assert no_worse == (-uniform.se < uniform.gain <= uniform.se)
        kept_though_lower += no_worse and uniform.gain < 0
        if uniform.gain < -uniform.se:
            assert not uniform.accepted
            refused += 1
    assert kept_though_lower and refused


def test_a_vote_that_is_asked_for_is_given_and_told_to_lose() -> None:
    pool = drawn_pool(1, [2.5, 0.0, 0.0], n=600)
    choice = choose_vote(pool, kind="soft", top=3)
    assert choice.fitted.weights == pytest.approx((1 / 3,) * 3)
    gate = choice.candidates[-1].gate
    assert not gate.accepted and gate.gain < 0 and "against trial 0" in gate.reason


@pytest.mark.parametrize("kind", VOTE_KINDS)
@pytest.mark.parametrize("multi_label", [False, True])
def test_every_kind_is_fitted_and_answers_with_probabilities(kind: str, multi_label: bool) -> None:
    pool = drawn_labels_pool(0, [0.8, 0.7, 0.5, 0.4]) if multi_label else drawn_pool(0, [1.2, 1.0, 0.9, 0.5])
    choice = choose_vote(pool, kind=kind, quick=True)
    for found in (choice.answers.final, *choice.answers.without.values()):
        assert found.shape == pool.members.shape[1:] and found.dtype == np.float32
        assert np.isfinite(found).all() and (found >= 0).all() and (found <= 1 + 1e-5).all()
        assert multi_label or np.allclose(found.sum(axis=1), 1, atol=1e-4)
    assert np.array_equal(choice.fitted.apply(pool.members), choice.answers.final)


@pytest.mark.parametrize("kind", ["auto", "rank", "greedy"])
@pytest.mark.parametrize("metric", ["macro_f1", "log_loss", "brier"])
@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_rows_and_of_members_changes_no_byte(kind: str, metric: str, seed: int) -> None:
    pool = drawn_pool(
        seed, [1.1, 1.0, 0.9, 0.6, 0.5, 0.4], metric=metric, families=("a", "b", "a", "b", "a", "b")
    )
    rng = np.random.default_rng(seed)
    other = permuted(pool, rng.permutation(len(pool.labels)), rng.permutation(len(pool.names)))
    assert bytes_of(choose_vote(pool, kind=kind), pool) == bytes_of(choose_vote(other, kind=kind), other)


@pytest.mark.parametrize("kind", ["auto", "soft", "rank", "greedy"])
@pytest.mark.parametrize("seed", range(3))
def test_labels_of_rows_of_weight_0_change_nothing(kind: str, seed: int) -> None:
    pool = drawn_pool(seed, [1.0, 0.9, 0.8, 0.3])
    weights = (np.random.default_rng(seed).random(50) < 0.7)[pool.codes].astype(float)
    poked = replace(pool, labels=np.where(weights > 0, pool.labels, 2 - pool.labels))
    first, second = choose_vote(pool, weights, kind), choose_vote(poked, weights, kind)
    assert first.fitted == second.fitted and first.candidates == second.candidates
    assert first.answers.final.tobytes() == second.answers.final.tobytes()
    hidden = replace(poked, mask=weights > 0)  # a mask and weights of 0 are the same
    assert choose_vote(hidden, None, kind).fitted == first.fitted


@pytest.mark.parametrize("seed", range(3))
def test_answers_without_a_fold_know_nothing_of_its_labels(seed: int) -> None:
    pool = drawn_pool(seed, [1.0, 0.9, 0.8, 0.3])
    poked = replace(pool, labels=np.where(pool.folds == 2, 2 - pool.labels, pool.labels))
    first, second = (choose_vote(item, kind="greedy").answers.without[2] for item in (pool, poked))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("kind", ["auto", "soft", "greedy"])
def test_a_row_of_weight_2_is_that_row_twice(kind: str) -> None:
    pool = drawn_pool(4, [1.0, 0.9, 0.8, 0.3])
    rng = np.random.default_rng(4)
    weights = np.ones(len(pool.labels))
    weights[np.unique(pool.codes, return_index=True)[1]] = rng.integers(1, 3, 50)  # one row of each group
    twice = np.repeat(np.arange(len(weights)), weights.astype(int))
    drawn = permuted(pool, twice, np.arange(4))
    first, second = choose_vote(pool, weights, kind), choose_vote(drawn, None, kind)
    assert first.fitted == second.fitted
    for one, other in zip(first.candidates, second.candidates, strict=True):
        assert (one.score, one.gate.gain, one.gate.se) == pytest.approx(
            (other.score, other.gate.gain, other.gate.se), abs=1e-12
        )


def test_one_complete_trial_is_its_own_vote() -> None:
    choice = choose_vote(drawn_pool(0, [1.0]))
    assert choice.name == "trial 0" and choice.fitted.weights == (1,)
    assert "trial 0 alone" in choice.reason


def test_trials_that_are_all_equal_leave_the_first_alone() -> None:
    one = drawn_pool(0, [1.0])
    pool = replace(one, members=np.repeat(one.members, 4, axis=0), names=("d", "b", "a", "c"))
    choice = choose_vote(pool)
    assert choice.name == "a" and choice.fitted.weights == (0, 0, 1, 0)


def test_with_one_fold_nothing_richer_is_taken() -> None:
    pool = drawn_pool(0, [1.0] * 4, folds=np.zeros(200, np.int16))
    choice = choose_vote(pool)
    assert len(choice.fitted.members) == 1 and choice.answers.without == {}
    assert "one fold only" in choice.reason and math.isnan(choice.candidates[1].score)
    assert choose_vote(pool, kind="greedy").fitted.weights != choice.fitted.weights


def test_two_groups_cannot_tell_an_error() -> None:
    codes = np.repeat([0, 1], 100)
    pool = drawn_pool(0, [1.0] * 4, codes=codes, folds=codes.astype(np.int16))
    choice = choose_vote(pool)
    assert len(choice.fitted.members) == 1 and "2 groups cannot tell" in choice.reason


def test_a_class_that_a_fold_lacks_and_constant_answers_are_voted_on() -> None:
    pool = drawn_pool(0, [1.2, 1.0, 0.8])
    labels = np.where((pool.folds == 1) & (pool.labels == 2), 0, pool.labels)
    constant = np.tile(np.array([0.2, 0.5, 0.3], np.float32), (1, 200, 1))
    members = np.concatenate([pool.members, constant])
    mixed = replace(pool, labels=labels, members=members, names=(*pool.names, "trial 3"))
    for metric in ("macro_f1", "roc_auc", "log_loss"):
        judged = replace(mixed, metric=metric, mode="min" if metric == "log_loss" else "max")
        assert all(math.isfinite(item.score) for item in choose_vote(judged).candidates)
        assert choose_vote(judged, kind="greedy").fitted.weights[3] < 0.2
    dull = replace(pool, members=np.repeat(constant, 3, axis=0))
    assert choose_vote(dull).name == "trial 0"


def test_an_ordered_metric_without_a_second_class_is_undefined_and_told() -> None:
    pool = drawn_pool(0, [1.0, 1.0], labels=np.zeros(200, np.int64), metric="roc_auc")
    choice = choose_vote(pool)
    assert len(choice.fitted.members) == 1 and "undefined" in choice.reason


def test_where_folds_have_one_class_alone_greedy_weights_are_numbers() -> None:
    pool = drawn_pool(3, [1.0] * 4, classes=2, metric="roc_auc")
    lonely = replace(
        pool, labels=np.where(pool.folds == 0, pool.labels, 0)
    )  # without fold 0 all are of class 0
    weights = np.array(choose_vote(lonely, kind="greedy", quick=True).fitted.weights)
    assert np.isfinite(weights).all() and weights.sum() == pytest.approx(1)


def test_what_cannot_be_a_pool_is_refused_with_the_members_name() -> None:
    pool = drawn_pool(0, [1.0, 1.0])
    bad = pool.members.copy()
    bad[1, 7] = np.nan
    with pytest.raises(
        EnsembleError, match=r"probabilities of trial 1 are not finite in 1 of 200 rows \(7\)"
    ):
        replace(pool, members=bad)
    with pytest.raises(EnsembleError, match="at least one member"):
        replace(pool, members=pool.members[:0], names=())
    with pytest.raises(EnsembleError, match="each once"):
        replace(pool, names=("trial 0", "trial 0"))
    with pytest.raises(EnsembleError, match="row weights must be 200"):
        choose_vote(pool, np.ones(3))
    with pytest.raises(EnsembleError, match="all row weights are 0"):
        choose_vote(pool, np.zeros(200))
    with pytest.raises(EnsembleError, match=r"vote='sofd' is not known.*did you mean soft\?"):
        choose_vote(pool, kind="sofd")


def test_a_uniform_vote_is_over_the_best_by_the_mean_over_folds() -> None:
    pool = drawn_pool(2, [0.2, 1.5, 0.1, 1.4, 1.6])
    choice = choose_vote(pool, kind="soft", top=3)
    assert choice.fitted.members == (1, 3, 4)
    assert np.array_equal(choice.answers.final, soft_vote(pool.members[[1, 3, 4]]))

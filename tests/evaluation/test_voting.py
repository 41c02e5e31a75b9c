"""Votes: numbers in, numbers out."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.evaluation.voting import FEW, hard_label_vote, hard_vote, soft_vote, vote_of, weighted_sum


def rows(*values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_a_soft_vote_is_the_mean() -> None:
    voted = soft_vote([rows([0.9, 0.1], [0.2, 0.8]), rows([0.3, 0.7], [0.4, 0.6])])
    assert np.allclose(voted, [[0.6, 0.4], [0.3, 0.7]])
    assert voted.dtype == np.float32


def test_weights_are_relative_and_a_zero_silences_a_member() -> None:
    first, second = rows([0.9, 0.1]), rows([0.3, 0.7])
    assert np.allclose(soft_vote([first, second], [3, 1]), [[0.75, 0.25]])
    assert np.array_equal(soft_vote([first, second], [0, 5]), second)


def test_a_hard_vote_counts_heads_where_a_soft_vote_weighs_them() -> None:
    members = [rows([0.99, 0.01]), rows([0.45, 0.55]), rows([0.45, 0.55])]
    assert soft_vote(members).argmax() == 0
    assert hard_vote(members).argmax() == 1
    assert np.allclose(hard_vote(members), [[1 / 3, 2 / 3]], atol=2e-6)


def test_a_tied_hard_vote_goes_to_the_larger_summed_probability_in_either_order() -> None:
    sure_of_1, unsure_of_0 = rows([0.1, 0.9, 0.0]), rows([0.6, 0.3, 0.1])
    for members in ([sure_of_1, unsure_of_0], [unsure_of_0, sure_of_1]):
        voted = hard_vote(members)
        assert voted.argmax() == 1
        assert np.allclose(voted, [[0.5, 0.5, 0.0]], atol=2e-6)


def test_a_tie_among_the_leaders_is_not_won_by_a_class_with_fewer_votes() -> None:
    members = [rows([0.40, 0.25, 0.35]), rows([0.25, 0.40, 0.35])]  # class 2 has the largest sum, no vote
    assert hard_vote(members).argmax() in (0, 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_tie_is_still_decided_in_a_float32_product(seed: int) -> None:
    other = np.random.default_rng(seed).dirichlet([1, 1, 1], size=50).astype(np.float32)
    tied = hard_vote([np.tile(rows([0.6, 0.4]), (50, 1)), np.tile(rows([0.1, 0.9]), (50, 1))])
    product = (other[:, :, None] * tied[:, None, :]).reshape(50, -1).astype(np.float32)
    assert np.array_equal(product.argmax(axis=1), other.argmax(axis=1) * 2 + 1)


def test_labels_are_voted_on_one_by_one() -> None:
    members = [rows([0.9, 0.4, 0.5]), rows([0.8, 0.6, 0.1]), rows([0.1, 0.7, 0.2])]
    assert np.allclose(vote_of("soft", multi_label=True)(members), [[0.6, 1.7 / 3, 0.8 / 3]])
    assert np.allclose(vote_of("hard", multi_label=True)(members), [[2 / 3, 2 / 3, 1 / 3]])
    assert vote_of("hard", multi_label=False) is hard_vote


def test_a_tie_over_a_label_goes_to_the_mean_of_the_probabilities() -> None:
    for members in ([rows([0.9, 0.6]), rows([0.4, 0.1])], [rows([0.4, 0.1]), rows([0.9, 0.6])]):
        voted = hard_label_vote(members)
        assert (voted >= 0.5).tolist() == [[True, False]] and np.allclose(voted, 0.5, atol=2e-6)
        assert voted.dtype == np.float32


@pytest.mark.parametrize("vote", [soft_vote, hard_vote, hard_label_vote])
def test_no_members_and_shapes_that_differ_are_refused(vote) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(EnsembleError, match="at least one"):
        vote([])
    with pytest.raises(EnsembleError, match="shape"):
        vote([rows([0.5, 0.5]), rows([0.2, 0.3, 0.5])])


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]])
def test_weights_that_are_too_few_negative_zero_or_nan_are_refused(weights: list[float]) -> None:
    with pytest.raises(EnsembleError, match="needs 2 weights"):
        soft_vote([rows([0.5, 0.5]), rows([0.5, 0.5])], weights)


@pytest.mark.parametrize("members", [1, 2, 3, 5, FEW, FEW + 1])
def test_floats_are_added_from_the_smallest_to_the_largest(members: int) -> None:
    rng = np.random.default_rng(members)
    stacked = rng.dirichlet(np.ones(4), (members, 50))
    scale = rng.dirichlet(np.ones(members))
    expected = np.sort(scale[:, None, None] * stacked, axis=0).sum(axis=0)
    assert weighted_sum(scale, stacked).tobytes() == expected.tobytes()
    mixed = rng.permutation(members)
    assert weighted_sum(scale[mixed], stacked[mixed]).tobytes() == expected.tobytes()

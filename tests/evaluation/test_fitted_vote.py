"""Votes with weights: against scikit-learn's, and on new rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier

from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import score
from orchestrator.evaluation.fitted_vote import FittedVote, fitted_vote
from orchestrator.evaluation.voting import geometric_label_vote, geometric_vote, hard_label_vote, vote_of
from tests.evaluation.pools import drawn_labels_pool, drawn_pool

WEIGHTS = np.array([0.5, 0.3, 0.2])


class Known(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers with given probabilities; a row's only feature is its number."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self.probabilities = probabilities

    def fit(self, rows: np.ndarray, labels: np.ndarray) -> Known:
        self.classes_ = np.arange(self.probabilities.shape[1])
        return self

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.probabilities[rows[:, 0]]
        return found

    def predict(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.predict_proba(rows).argmax(axis=1)
        return found


@pytest.mark.parametrize("weights", [[1, 1, 1], [0.5, 0.3, 0.2], [3, 1, 1.5], [0.2, 0.45, 0.35]])
@pytest.mark.parametrize("seed", range(3))
def test_soft_and_hard_votes_are_scikit_learns(weights: list[float], seed: int) -> None:
    pool = drawn_pool(seed, [1.0, 0.8, 0.5], classes=4)
    rows = np.arange(len(pool.labels))[:, None]
    named = [(name, Known(member)) for name, member in zip(pool.names, pool.members, strict=True)]
    for kind in ("soft", "hard"):
        theirs = VotingClassifier(named, voting=kind, weights=weights).fit(rows, pool.labels)
        ours = fitted_vote(kind, pool.members, np.array(weights, float), np.ones(len(rows)), False)
        answers = ours.apply(pool.members)
        if kind == "soft":
            assert np.allclose(answers, theirs.predict_proba(rows), atol=1e-6)
            assert np.array_equal(answers.argmax(axis=1), theirs.predict(rows))
        else:  # ties are decided differently: by the summed probabilities, not by the lower class
            heads = np.einsum("m,mnc->nc", weights, pool.members.argmax(axis=2)[..., None] == np.arange(4))
            best = np.sort(heads, axis=1)
            clear = best[:, -1] - best[:, -2] > 1e-9
            assert clear.sum() > 100
            assert np.array_equal(answers.argmax(axis=1)[clear], theirs.predict(rows)[clear])


def test_a_geometric_vote_is_the_mean_of_logarithms() -> None:
    pool = drawn_pool(0, [1.0, 0.8, 0.5])
    logs = np.einsum("m,mnc->nc", WEIGHTS, np.log(pool.members.astype(float)))
    expected = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    assert np.allclose(geometric_vote(pool.members, WEIGHTS), expected, atol=1e-5)
    assert geometric_vote(pool.members[:1]) == pytest.approx(pool.members[0], abs=1e-5)
    labels = drawn_labels_pool(0, [0.8, 0.5, 0.3]).members.astype(float)
    odds = np.einsum("m,mnl->nl", WEIGHTS, np.log(labels / (1 - labels)))
    assert np.allclose(
        geometric_label_vote(labels.astype(np.float32), WEIGHTS), 1 / (1 + np.exp(-odds)), atol=1e-5
    )


def test_one_member_that_is_sure_cannot_overrule_all_others_for_ever() -> None:
    sure, others = np.array([[1.0, 0.0]], np.float32), np.array([[0.1, 0.9]], np.float32)
    voted = geometric_vote([sure, *[others] * 9])
    assert np.isfinite(voted).all() and voted.argmax() == 1


def test_heads_of_labels_have_weights_too() -> None:
    members = [np.array([[0.9, 0.1]], np.float32), np.array([[0.2, 0.8]], np.float32)]
    assert hard_label_vote(members, [3, 1]) == pytest.approx(np.array([[0.75, 0.25]]))
    assert (hard_label_vote(members) >= 0.5).tolist() == [[True, False]]  # tied heads: by the mean


def test_a_rank_vote_does_not_care_for_a_members_scale() -> None:
    """Of two classes: answers of a member that is squeezed towards 1 keep their order, and so their part."""
    pool = drawn_pool(0, [1.5, 1.2, 1.0], classes=2, n=400)
    squeezed = pool.members.copy()
    squeezed[1, :, 1] = 0.97 + 0.03 * squeezed[1, :, 1] ** 3
    squeezed[1, :, 0] = 1 - squeezed[1, :, 1]
    plain, other = (
        fitted_vote("rank", members, WEIGHTS, np.ones(400), False).apply(members)
        for members in (pool.members, squeezed)
    )
    aucs = [score("roc_auc", pool.labels, item) for item in (plain, other)]
    assert aucs[0] == pytest.approx(aucs[1], abs=0.002)
    assert np.allclose(plain.sum(axis=1), 1, atol=1e-6)
    assert min(aucs) > max(score("roc_auc", pool.labels, member) for member in pool.members)


def test_a_rank_vote_of_one_image_is_its_answer_among_others() -> None:
    for pool in (drawn_pool(0, [1.2, 1.0, 0.5]), drawn_labels_pool(0, [0.8, 0.5, 0.3])):
        fitted = fitted_vote("rank", pool.members, WEIGHTS, np.ones(200), pool.multi_label)
        together = fitted.apply(pool.members)
        alone = np.concatenate([fitted.apply(pool.members[:, [row]]) for row in range(20)])
        assert np.array_equal(alone, together[:20])
        # A member alone is read back through its own quantiles.
        one = fitted_vote("rank", pool.members[:1], np.ones(1), np.ones(200), pool.multi_label)
        assert np.abs(one.apply(pool.members[:1]) - pool.members[0]).max() < 0.05
        assert FittedVote.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted
        outside = np.stack([np.eye(3, dtype=np.float32)] * 3)
        assert np.isfinite(fitted.apply(outside)).all()


def test_quantiles_are_those_of_rows_that_count() -> None:
    pool = drawn_pool(0, [1.2, 1.0, 0.5])
    weights = (np.arange(200) % 2).astype(float)
    other = pool.members.copy()
    other[:, ::2] = 1 / 3
    first, second = (fitted_vote("rank", item, WEIGHTS, weights, False) for item in (pool.members, other))
    assert first == second
    twice = fitted_vote("rank", np.repeat(pool.members, 2, axis=1), WEIGHTS, np.ones(400), False)
    doubled = fitted_vote("rank", pool.members, WEIGHTS, np.full(200, 2.0), False)
    assert np.abs(np.array(twice.quantiles) - np.array(doubled.quantiles)).max() < 0.02


def test_silent_members_need_not_be_there() -> None:
    pool = drawn_pool(0, [1.2, 1.0, 0.5])
    for kind in ("soft", "geometric", "hard", "rank"):
        fitted = fitted_vote(kind, pool.members, np.array([0.6, 0, 0.4]), np.ones(200), False)
        assert fitted.members == (0, 2)
        assert np.array_equal(fitted.only().apply(pool.members[[0, 2]]), fitted.apply(pool.members))


def test_what_cannot_vote_is_refused() -> None:
    with pytest.raises(EnsembleError, match="kind='loud' is not known"):
        FittedVote("loud", (1.0,))
    with pytest.raises(EnsembleError, match="needs each member's quantiles"):
        FittedVote("rank", (1.0,))
    with pytest.raises(EnsembleError, match="2 weights, not negative"):
        FittedVote("soft", (1.0, -1.0))
    with pytest.raises(EnsembleError, match="a vote of 2 members got 1"):
        FittedVote("soft", (0.5, 0.5)).apply(np.ones((1, 2, 2), np.float32))
    assert vote_of("geometric", multi_label=True) is geometric_label_vote

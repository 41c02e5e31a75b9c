"""Races for an ensemble: what is compared costs the same, and held-out rows choose nothing."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmarks.ensemble_race import (
    CONTESTANTS,
    RACE,
    Contestant,
    Curves,
    climb,
    held_out,
    ladder_of,
    macro_f1,
)
from benchmarks.stored_tables import StoredTable
from orchestrator.race.ladder import cost

TRIALS, FOLDS, EPOCHS, ROWS, TEST, CLASSES = 12, 5, 18, 40, 30, 3


def table() -> StoredTable:
    """Trials that know the more of the labels the higher their number is."""
    rng = np.random.default_rng(0)
    labels, told = rng.integers(0, CLASSES, ROWS), rng.integers(0, CLASSES, TEST)
    known = np.linspace(0.2, 1.2, TRIALS)

    def answers(own: np.ndarray, *size: int) -> np.ndarray:
        drawn = rng.random((TRIALS, *size, len(own), CLASSES))
        voted = drawn + np.eye(CLASSES)[own] * known.reshape(-1, *[1] * (len(size) + 2))
        return (voted / voted.sum(-1, keepdims=True)).astype(np.float16)

    return StoredTable(
        validation=answers(labels, EPOCHS),
        test=answers(told, FOLDS, EPOCHS),
        labels=labels,
        folds=(np.arange(ROWS) % FOLDS).astype(np.int16),
        groups=np.arange(ROWS).astype(str),
        test_labels=told,
        test_groups=np.arange(TEST).astype(str),
        configs=({"features": "last"},) * TRIALS,
        name="drawn",
    )


def test_macro_f1_of_many_votes_is_that_of_each() -> None:
    rng = np.random.default_rng(1)
    labels, votes = rng.integers(0, 3, 50), rng.random((2, 4, 50, 4))  # the fourth class has no row
    each = [
        [f1_score(labels, vote.argmax(1), average="macro", labels=range(4), zero_division=0) for vote in row]
        for row in votes
    ]
    assert macro_f1(labels, votes, 4) == pytest.approx(np.array(each))


def test_contestants_spend_what_todays_race_does_unless_their_finalists_alone_cost_more() -> None:
    today = cost(ladder_of(RACE, 32, 5))
    for contestant in CONTESTANTS:
        dear = contestant.finalists * 5 * contestant.epochs > 0.9 * today or contestant.parked
        assert abs(cost(ladder_of(contestant, 32, 5)) / today - 1) < (0.35 if dear else 0.02)


@pytest.mark.parametrize("by_vote", [False, True])
def test_finalists_are_the_best_first_and_nothing_of_the_held_out_rows_chooses_them(by_vote: bool) -> None:
    given = table()
    contestant = replace(RACE, by_vote=by_vote)
    trials, order = np.arange(TRIALS), np.arange(FOLDS)
    found = climb(Curves(given), contestant, trials, order)
    other = replace(given, test=given.test[::-1], test_labels=given.test_labels[::-1])
    assert climb(Curves(other), contestant, trials, order) == found
    curves = Curves(given)
    scores = [curves.cv(EPOCHS)[trial] for trial, _ in found.members]
    assert len(found.members) == 3 and scores == sorted(scores, reverse=True)
    assert {held_out(curves, found, vote) <= 1.0 for vote in ("best", "uniform", "top 3", "greedy")} == {True}


def test_parked_trials_that_own_all_folds_are_members_too() -> None:
    contestant = Contestant("with parked", 3, EPOCHS, parked=True, waiting=5)
    found = climb(Curves(table()), contestant, np.arange(TRIALS), np.arange(FOLDS))
    assert [epochs for _, epochs in found.members] == [18, 18, 18, 9, 9]
    assert len({trial for trial, _ in found.members}) == 5

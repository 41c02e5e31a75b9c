"""The benchmark of short budgets: what it counts, on curves that tell who is right."""

import numpy as np
import pytest

from benchmarks.short_budgets import (
    STARTUP_S,
    Curves,
    drawn,
    handed_in,
    handed_in_by_loop,
    loop_until,
    one_draw,
    race_until,
)


def flat(values: list[float]) -> Curves:
    """Trials of 2 folds and 3 epochs of a second, each of which always scores the same."""
    scores = np.tile(np.array(values)[:, None, None], (1, 2, 3))
    return Curves(scores, np.ones(len(values)), lambda trial, bests: values[trial] + len(bests))


def test_the_loop_hands_in_most_complete_folds_and_then_the_best() -> None:
    curves = flat([0.1, 0.5, 0.9])
    marks = [STARTUP_S - 0.5, *(STARTUP_S + seconds + 0.5 for seconds in (1, 3, 4, 6))]
    done = loop_until(curves, marks)
    found = [handed_in_by_loop(curves, done.at[mark][0]) for mark in marks]
    assert found == pytest.approx([0.0, 2.1, 2.1, 2.1, 2.5])  # + 2: of both folds


def test_the_race_hands_in_complete_trials_before_better_ones_that_are_not() -> None:
    curves = flat([0.1, 0.9])
    epochs = np.array([[3, 3], [1, 2]])
    assert handed_in(curves, epochs, {0}) == pytest.approx(2.1)
    assert handed_in(curves, epochs, ()) == pytest.approx(2.9)
    assert handed_in(curves, np.array([[3, 0], [0, 2]]), ()) == 0.0


def test_a_race_completes_a_trial_whatever_the_budget_and_marks_are_in_order() -> None:
    curves = drawn(np.random.default_rng(0), jumping=True, trials=20)
    for budget in (40, 120):
        seconds = STARTUP_S + budget / 2
        race, ended = race_until(curves, seconds, [seconds / 2, seconds])
        assert race.complete and (race.at[seconds / 2][0] <= race.at[seconds][0]).all()
        assert ended < 2.5 * seconds


def test_a_draw_is_the_same_twice() -> None:
    one, two = (one_draw(drawn(np.random.default_rng(3), jumping=False, trials=12), 80) for _ in range(2))
    assert one == two and len(one) == 8

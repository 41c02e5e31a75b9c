"""Tables of learning curves: read, checked, drawn from."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from orchestrator.race.simulate.table import CurveTableError, build_table


def rows(trials: int = 3, folds: int = 2, epochs: int = 2) -> pd.DataFrame:
    grid = np.indices((trials, folds, epochs)).reshape(3, -1)
    score = (grid[0] + 0.1 * grid[1] - 0.01 * grid[2]) / 10
    return pd.DataFrame(
        {"trial": grid[0], "fold": grid[1], "epoch": grid[2] + 1, "score": score, "seconds": 2.0}
    )


def test_any_numbers_name_trials_and_folds_and_rows_come_in_any_order() -> None:
    epochs = rows().sample(frac=1.0, random_state=0)
    epochs["trial"] = epochs["trial"] * 7 + 3
    epochs["fold"] += 1
    tests = pd.DataFrame({"trial": [17, 3, 10], "test_score": [0.3, 0.1, 0.2]})
    table = build_table(epochs, tests, "folder")
    assert table.scores.shape == (3, 2, 2)
    assert table.scores[2, 1, 0] == pytest.approx(0.21)
    assert table.test.tolist() == [0.1, 0.2, 0.3]
    assert table.cv.tolist() == pytest.approx([0.005, 0.105, 0.205])  # the best epoch is the first


def test_without_seconds_an_epoch_takes_one_and_without_trials_there_is_no_test_score() -> None:
    table = build_table(rows().drop(columns="seconds"), None, "folder")
    assert (table.seconds == 1).all() and np.isnan(table.test).all()


def test_what_is_missing_was_not_reached_and_nothing_follows_it() -> None:
    epochs = rows(epochs=4)
    lost = (epochs["trial"] == 1) & (epochs["fold"] == 0) & (epochs["epoch"] == 2)
    table = build_table(epochs[~lost], None, "folder")
    assert np.isnan(table.scores[1, 0, 1:]).all() and np.isfinite(table.scores[1, 0, 0])
    assert np.isnan(table.cv[1]) and np.isfinite(table.cv[[0, 2]]).all()
    assert np.isfinite(table.seconds).all()


def test_a_draw_takes_whole_trials_and_folds_in_another_order() -> None:
    table = build_table(rows(6, 3, 2), pd.DataFrame({"trial": range(6), "test_score": range(6)}), "folder")
    drawn = table.draw(4, np.random.default_rng(0))
    assert drawn.scores.shape == (4, 3, 2) and len(set(drawn.test.tolist())) == 4
    for scores, test in zip(drawn.scores, drawn.test, strict=True):
        assert np.allclose(np.sort(scores, axis=0), table.scores[int(test)])
    again = table.draw(4, np.random.default_rng(0))
    assert (again.scores == drawn.scores).all()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (
            lambda epochs: epochs.drop(columns="score"),
            "column score is missing among trial, fold",
        ),
        (lambda epochs: epochs[:0], "has no row"),
        (lambda epochs: epochs.assign(epoch=epochs["epoch"] - 1), "count epochs from 1"),
        (lambda epochs: epochs.assign(epoch=epochs["epoch"] * 10**6), "epoch 2000000 is above 100000"),
        (lambda epochs: epochs.assign(fold=0.5), "column fold must hold whole numbers"),
        (lambda epochs: epochs.assign(score="good"), "column score must hold numbers"),
        (lambda epochs: epochs.assign(seconds=0), "seconds must be numbers above 0"),
        (lambda epochs: pd.concat([epochs, epochs[:1]]), "trial 0 fold 0 epoch 1 has more than one row"),
        (
            lambda epochs: epochs[epochs["epoch"] + epochs["fold"] != 3],
            "no trial has a score for all 2",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    spoil: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    with pytest.raises(CurveTableError, match=words) as caught:
        build_table(spoil(rows()), None, "folder")
    assert str(caught.value).startswith("folder/epochs.parquet")


def test_lower_is_better_where_the_table_says_so() -> None:
    tests = pd.DataFrame({"trial": [0, 1, 2], "test_score": [0.3, 0.1, 0.2]})
    table = build_table(rows(), tests, "folder", "min")
    assert int(np.argmax(table.cv)) == 0 and table.test.tolist() == [-0.3, -0.1, -0.2]


def test_curves_that_a_race_cut_short_judge_no_other() -> None:
    trials = pd.DataFrame({"trial": [0, 1, 2], "state": ["COMPLETE", "PRUNED", "PRUNED"]})
    with pytest.raises(CurveTableError, match="make the study with --rule exhaustive"):
        build_table(rows(), trials, "folder")
    whole = build_table(rows(), trials.assign(state="COMPLETE"), "folder")
    assert np.isnan(whole.test).all()


def test_a_trial_has_one_test_score() -> None:
    tests = pd.DataFrame({"trial": [0, 0], "test_score": [0.1, 0.2]})
    with pytest.raises(CurveTableError, match=r"trials.parquet: a trial has more than one row"):
        build_table(rows(), tests, "folder")

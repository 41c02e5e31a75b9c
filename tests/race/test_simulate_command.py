"""python -m orchestrator.race.simulate on a table."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.race import RULES
from orchestrator.race.simulate.__main__ import main
from orchestrator.race.simulate.command import read_table
from orchestrator.race.simulate.rule_specs import Entry
from orchestrator.race.simulate.summary import Terms, costs, ensemble, race_once
from orchestrator.race.simulate.synthetic import DrawnCurves, draw_curves
from orchestrator.race.simulate.table import CurveTable
from orchestrator.race.simulate.tournament import Contest, hold
from orchestrator.study.votes import write_votes

SHIPPED = Path(__file__).parents[2] / "benchmarks" / "tables" / "fashion"
FIGURES = ("fold_epochs", "makespan", "cv_regret", "test_regret", "same_pick", "complete_trials")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 trials x 3 folds x 6 epochs, as the schema says."""
    curves = draw_curves(12, 3, 6, np.random.default_rng(0))
    grid = np.indices(curves.scores.shape).reshape(3, -1)
    epochs = pd.DataFrame({"trial": grid[0], "fold": grid[1], "epoch": grid[2] + 1})
    epochs.assign(score=curves.scores.ravel(), seconds=0.5).to_parquet(tmp_path / "epochs.parquet")
    trials = pd.DataFrame({"trial": range(12), "test_score": curves.truth})
    trials.to_parquet(tmp_path / "trials.parquet")
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main([*arguments, "--json"]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return rows


def test_every_rule_has_a_row_with_means_and_intervals(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = printed(capsys, str(folder), "--draws", "3", "--subset", "8", "--workers", "1")
    assert [row["rule"] for row in rows] == [name.rpartition(".")[2] for name in RULES.values()]
    for row in rows:
        for name in FIGURES:
            low, high = row[f"{name}_interval"]  # type: ignore[misc]
            assert low <= row[name] <= high  # type: ignore[operator]
    exhaustive = next(row for row in rows if row["rule"] == "Exhaustive")
    assert (exhaustive["fold_epochs"], exhaustive["cv_regret"], exhaustive["same_pick"]) == (8 * 3 * 6, 0, 1)
    assert exhaustive["makespan"] == pytest.approx(8 * 3 * 6 * 0.5 / 4)


def test_the_same_seed_prints_the_same_on_any_number_of_processes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = ("--rules", "FoldASHA", "top_k:finalists=1,grace_period=1", "--draws", "9", "--subset", "4")
    one = printed(capsys, str(folder), *rules, "--workers", "1")
    assert one == printed(capsys, str(folder), *rules, "--workers", "2")
    assert one[1]["numbers"] == {"finalists": 1, "grace_period": 1}
    other = printed(capsys, str(folder), *rules, "--workers", "1", "--seed", "1")
    assert [row["cv_regret"] for row in one] != [row["cv_regret"] for row in other]


def test_without_a_test_set_there_is_no_test_regret(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "trials.parquet").unlink()
    row = printed(capsys, str(folder), "--rules", "FoldASHA", "--draws", "2")[0]
    assert row["test_regret"] is None and row["test_regret_interval"] is None
    assert main([str(folder), "--rules", "FoldASHA", "--draws", "2"]) == 0
    assert "FoldASHA" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nowhere"], "nowhere/epochs.parquet is missing"),
        (["{folder}", "--subset", "99"], "the table has 12 trials; give 2 to 12"),
        (["{folder}", "--rules", "Best"], "'Best' is not known; use "),
        (["{folder}", "--rules", "FoldASHA:trials=3"], "'trials=3' must read key=value with one of"),
        (["{folder}", "--rules", "FoldASHA:finalists=x"], "'x' is no number"),
        (["{folder}", "--grace-period", "7"], "grace_period=7 is longer than max_t=6"),
        (["{folder}", "--failures", "2"], "--failures 2.0: give a share from 0 to 1"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([item.format(folder=folder) for item in arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_parquet_that_is_none_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "epochs.parquet").write_text("trial,fold\n")
    assert main([str(folder)]) == 2
    assert "cannot be read" in capsys.readouterr().err


def votes(folder: Path, trials: list[int], labels: list[int] | None = None, metric: str = "macro_f1") -> None:
    """Votes that are right for even trials and wrong for odd ones, on four rows of two classes."""
    labels = [0, 1, 1, 0] if labels is None else labels
    right = [value for label in labels for value in ((1000, 0) if label == 0 else (0, 1000))]
    lists = [right if trial % 2 == 0 else right[::-1] for trial in trials]
    table = pa.table({"trial": trials, "thousandths": lists})
    meta = {"labels": json.dumps(labels), "metric": metric}
    pq.write_table(table.replace_schema_metadata(meta), folder / "votes.parquet")


def test_votes_belong_to_their_trials(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    votes(folder, [11, 3, 2], [0, 1, 1, 1])
    table = read_table(folder)
    assert table.votes is not None and table.votes.shape == (12, 4, 2)
    assert table.votes[2, 1].tolist() == [0, 1] and table.votes[3, 1].tolist() == [1, 0]
    assert np.isnan(table.votes[4]).all()
    row = printed(capsys, str(folder), "--rules", "FoldASHA", "--draws", "2")[0]
    assert row["ensemble"] is None and row["ensemble_draws"] == 0


@pytest.mark.parametrize(
    ("metric", "right", "wrong"),
    [("accuracy", 1.0, 0.0), ("log_loss", 0.0, -np.log(1e-12)), ("my:own", 1, 0)],
)
def test_votes_are_judged_by_their_own_metric_the_larger_the_better(
    folder: Path, metric: str, right: float, wrong: float
) -> None:
    votes(folder, [2, 3], metric=metric)
    table = read_table(folder)
    sign = -1.0 if metric == "log_loss" else 1.0
    assert ensemble(table, [2]) == pytest.approx(sign * right)
    assert ensemble(table, [3]) == pytest.approx(sign * wrong)
    assert ensemble(table, [2]) > ensemble(table, [3])


@pytest.mark.parametrize(("metric", "right"), [("accuracy", 1.0), ("log_loss", 0.0)])
def test_without_test_scores_they_are_those_of_the_votes(folder: Path, metric: str, right: float) -> None:
    """As of a study, whose own table of trials has none; larger is better whatever the metric."""
    pd.read_parquet(folder / "trials.parquet").drop(columns="test_score").to_parquet(
        folder / "trials.parquet"
    )
    labels = np.array([0, 1, 1, 0])
    vote = np.eye(2, dtype=np.float32)[labels]
    mode = "min" if metric == "log_loss" else "max"
    write_votes(folder / "votes.parquet", {4: vote, 7: vote[:, ::-1]}, labels, ["a", "b"], metric, mode)
    table = read_table(folder)
    assert table.test[4] == pytest.approx(right) and table.test[7] < table.test[4]
    assert np.isnan(np.delete(table.test, [4, 7])).all()


def test_votes_that_are_none_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"trial": [0]}), folder / "votes.parquet")
    assert main([str(folder)]) == 2
    assert "it needs the columns trial and thousandths" in capsys.readouterr().err


def test_a_draw_without_a_complete_trial_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    epochs = pd.read_parquet(folder / "epochs.parquet")
    epochs[(epochs["trial"] == 0) | (epochs["epoch"] < 4)].to_parquet(folder / "epochs.parquet")
    assert main([str(folder), "--subset", "2", "--draws", "9", "--rules", "FoldASHA", "--workers", "1"]) == 2
    assert "draw more of them (--subset)" in capsys.readouterr().err


def test_the_shipped_table_is_whole() -> None:
    table = read_table(SHIPPED)
    assert table.scores.shape == (64, 5, 18) and np.isfinite(table.scores).all()
    assert table.votes is not None and table.votes.shape == (64, 1000, 10)
    assert table.votes.sum(axis=2) == pytest.approx(1.0, abs=0.006)
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 5_000_000


def test_the_default_race_on_the_shipped_table() -> None:
    """Fewer than a tenth of the fold-epochs, less lost than any top K of the same cost."""
    top = [Entry("top_k", {"finalists": 3, "grace_period": epochs}) for epochs in (2, 3, 4)]
    contest = Contest(read_table(SHIPPED), (Entry("fold_asha"), *top), Terms(4))
    drawn = hold(contest, 12, 1, lambda done, total: None)
    spent, regret = (
        np.array([[getattr(item, name) for item in row] for row in drawn]).mean(axis=0)
        for name in ("fold_epochs", "cv_regret")
    )
    assert spent[0] < 64 * 5 * 18 / 11
    assert regret[0] < regret[1:].min()
    assert all(row[0].complete_trials == 3 for row in drawn)


def test_costs_spread_evenly_around_one() -> None:
    drawn = costs(1000, 10.0, [0, 1])
    assert drawn.mean() == pytest.approx(1.0) and 8 < drawn.max() / drawn.min() <= 10
    assert (costs(5, 1.0, [0]) == 1).all()


def test_a_trial_that_fails_in_the_table_fails_in_the_race() -> None:
    whole = DrawnCurves(8, 3, 6).draw(None, np.random.default_rng(1))
    scores = whole.scores.copy()
    scores[int(np.argmax(whole.cv)), 1, 3:] = np.nan
    outcome = race_once(Entry("exhaustive"), CurveTable(scores, whole.seconds, whole.test), Terms(2), [0])
    assert outcome.complete_trials == 7 and outcome.cv_regret == 0

"""The section Trials: one table of all, what matters by more than chance, figures that stay small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from orchestrator.pages.blocks import Block, Page, PageSection, Quantity
from orchestrator.pages.figures import IntervalChart, ParallelChart, ScatterChart
from orchestrator.pages.render import render
from orchestrator.report import trial_figures
from orchestrator.report.sections import trials
from orchestrator.report.trial_figures import COMPLETE, EARLY
from orchestrator.space import choice, loguniform, uniform
from tests.support.drawn_study import STATES, draw_study
from tests.support.report_blocks import column, context_of, only, table, words


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_study(tmp_path_factory.mktemp("trials") / "a", trials=32, seed=3)


@pytest.fixture(scope="module")
def made(study: Path) -> tuple[Block, ...]:
    return trials.blocks(context_of(study))


def test_the_table_has_every_trial_with_its_difference_to_the_best_and_what_it_spent(
    study: Path, made: tuple[Block, ...]
) -> None:
    found, board = table(made, "All trials"), context_of(study).main.leaderboard
    assert column(found, "trial") == board["trial"].tolist() == list(found.trials)
    assert column(found, "fold-epochs") == board["epochs_spent"].tolist()
    complete = board[board["state"] == "COMPLETE"]
    count = len(complete)
    assert column(found, "minus best")[0] == "" and count > 1
    others = [float(cell) for cell in column(found, "minus best")[1:count]]
    assert others == pytest.approx(complete["minus_best"].tolist()[1:])
    ends = column(found, "95% interval")[1]
    assert isinstance(ends, Quantity)
    low, high = ends.text.split(" to ")
    assert float(low) == pytest.approx(complete["minus_best_low"].iloc[1], abs=1e-4) and float(high) > float(
        low
    )
    marks = {True: "yes", False: "no"}
    assert column(found, "may be best")[:count] == [marks[bool(item)] for item in complete["may_be_best"]]


def test_scores_of_partial_trials_are_marked_and_compare_with_nothing(made: tuple[Block, ...]) -> None:
    found = table(made, "All trials")
    states = column(found, "state")
    for state, score, behind in zip(
        states, column(found, "macro_f1"), column(found, "minus best"), strict=True
    ):
        assert isinstance(score, Quantity)
        assert score.text.endswith("so far") == (state != "complete")
        assert state == "complete" or behind == ""
    ended = [end for state, end in zip(states, column(found, "where it ended"), strict=True)
             if state == "stopped early"]  # fmt: skip
    assert ended and all(str(end).startswith("rung ") for end in ended)


def test_the_planted_parameter_matters_most_and_by_more_than_chance(made: tuple[Block, ...]) -> None:
    chart = only(made, IntervalChart, "Which parameters")
    assert chart.intervals[0].label == "lr"
    assert chart.intervals[0].group == "more than chance"
    assert {item.label for item in chart.intervals} == {"lr", "width", "flip"}
    assert "More than chance tells the best trials apart by lr;" in words(made)


def test_parameters_are_ordered_by_importance_in_the_table_and_across_the_chart(
    made: tuple[Block, ...],
) -> None:
    order = [item.label for item in only(made, IntervalChart, "Which parameters").intervals]
    columns = table(made, "All trials").columns
    assert [name for name in columns if name in order] == order
    assert columns.index(order[-1]) < columns.index("fold-epochs")
    assert [axis.label for axis in only(made, ParallelChart).axes] == [*order, "macro_f1"]


def test_slices_tell_complete_trials_from_others(study: Path, made: tuple[Block, ...]) -> None:
    (lr,) = [item for item in made if isinstance(item, ScatterChart) and item.title == "lr"]
    board = context_of(study).main.leaderboard.set_index("trial")
    assert lr.x.log and {point.group for point in lr.points} == {COMPLETE, EARLY}
    for point in lr.points:
        state = board.loc[point.trial, "state"]
        assert (point.group == COMPLETE) == (state == "COMPLETE")
        assert point.x == pytest.approx(json.loads(board.loc[point.trial, "config"])["lr"])
        if state == "COMPLETE":
            assert point.y == pytest.approx(board.loc[point.trial, "score"])


def test_conditional_and_categorical_parameters_have_gaps_and_names(tmp_path: Path) -> None:
    params = {
        "lr": loguniform(1e-4, 1e-1),
        "kind": choice(["sgd", None, True]),
        "momentum": uniform(0.5, 1.0).when(kind="sgd"),
    }
    made = trials.blocks(context_of(draw_study(tmp_path / "a", params=params, trials=20)))
    chart = only(made, ParallelChart)
    at = {axis.label: number for number, axis in enumerate(chart.axes)}
    assert chart.axes[at["kind"]].categories == ("sgd", "null", "true")
    for line in chart.lines:
        assert (line.values[at["momentum"]] is None) == (line.values[at["kind"]] != 0)


def test_too_few_trials_say_so_in_a_sentence(tmp_path: Path) -> None:
    made = trials.blocks(context_of(draw_study(tmp_path / "a", trials=6)))
    assert "cannot be told: only 6 trials have a score, and it takes 12." in words(made)
    assert not [item for item in made if isinstance(item, IntervalChart)]


@pytest.mark.parametrize("state", STATES)
def test_a_study_in_any_state_gives_its_trials(tmp_path: Path, state: str) -> None:
    context = context_of(draw_study(tmp_path / "a", state=state))
    made = trials.blocks(context)
    assert len(table(made, "All trials").rows) == len(context.main.statuses)
    if state == "failed":
        assert "12 failed" in words(made) and "cannot be told: no trial has a score" in words(made)


def test_very_many_trials_are_drawn_in_part_and_all_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_figures, "MOST", 20)
    context = context_of(draw_study(tmp_path / "a", trials=40, rows=60))
    made = trials.blocks(context)
    complete = {trial.number for trial in context.main.complete}
    drawn = {line.trial for line in only(made, ParallelChart).lines}
    assert len(drawn) == 20 and complete <= drawn
    assert len(table(made, "All trials").rows) == 40
    assert "20 trials without all folds are not drawn, chosen at random." in words(made)
    again = {line.trial for line in only(trials.blocks(context), ParallelChart).lines}
    assert again == drawn


def test_what_failed_names_its_reason_and_has_no_part_in_importance(tmp_path: Path) -> None:
    context = context_of(draw_study(tmp_path / "a", trials=20, fault="failures"))
    found = table(trials.blocks(context), "All trials")
    failed = [row for row in found.rows if row[1] == "failed"]
    assert failed and all(
        "RuntimeError" in str(row[-1]) and len(str(row[-1])) <= trials.REASON for row in failed
    )
    estimates = trials.estimated_scores(context.main)
    assert not {row[0] for row in failed} & set(estimates)
    assert np.isfinite(list(estimates.values())).all()


def test_a_metric_that_is_better_when_smaller_keeps_its_direction(tmp_path: Path) -> None:
    context = context_of(draw_study(tmp_path / "a", trials=30, metric="log_loss", seed=2))
    made = trials.blocks(context)
    chart = only(made, IntervalChart, "Which parameters")
    assert chart.intervals[0].label == "lr"
    (lr,) = [item for item in made if isinstance(item, ScatterChart) and item.title == "lr"]
    best = min((point for point in lr.points if point.group == COMPLETE), key=lambda point: point.y or 0)
    assert best.trial == context.main.complete[0].number
    assert "Smaller is better." in table(made, "All trials").note


def test_names_and_reasons_from_data_are_escaped(tmp_path: Path) -> None:
    params = {"lr": loguniform(1e-4, 1e-1), "kind": choice(["<script>alert(1)</script>", "b"])}
    made = trials.blocks(context_of(draw_study(tmp_path / "a", params=params)))
    page = Page("t", (), (), (PageSection(trials.TITLE, made, trials.QUESTION),), lambda row: ())
    assert "<script>alert(1)" not in render(page, {}, "0")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "rank 2 of 2 entries at rung 1 (1 fold, 1 epoch), 0 missing: outside quota 1",
            "rung 1 (1 fold, 1 epoch)",
        ),
        ("exception: ValueError:\nno", "exception: ValueError: no"),
        ("x" * 100, "x" * 59 + "…"),
        ("", ""),
    ],
)
def test_where_a_trial_ended_is_its_rung_or_its_first_words(reason: str, said: str) -> None:
    assert trials.where_it_ended(reason) == said


def test_one_complete_trial_is_called_no_winner(tmp_path: Path) -> None:
    made = trials.blocks(context_of(draw_study(tmp_path / "a", trials=1)))
    assert "Trial 0 alone is complete, so there is none that it could be compared with." in words(made)


def test_a_column_without_a_value_is_left_out(tmp_path: Path) -> None:
    """Of a study of one trial none is compared with the best."""
    found = table(trials.blocks(context_of(draw_study(tmp_path / "a", trials=1))), "All trials")
    assert "minus best" not in found.columns and "95% interval" not in found.columns
    assert all(len(row) == len(found.columns) for row in found.rows)

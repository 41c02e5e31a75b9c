"""The section Errors: what was planted is found, and nothing is scored by what was fitted to it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from orchestrator.core.metrics.row_sums import log_losses
from orchestrator.core.task import Task
from orchestrator.ensemble import build_ensemble
from orchestrator.evaluation.calibration import Temperature
from orchestrator.evaluation.decisions import Decisions
from orchestrator.evaluation.pool import JudgedRows
from orchestrator.evaluation.refitted import refitted, without_temperature
from orchestrator.pages.blocks import Block, Page, PageSection, Pictures, Table
from orchestrator.pages.figures import Heatmap, IntervalChart, LineChart
from orchestrator.pages.render import render
from orchestrator.pages.thumbnails import Pixels
from orchestrator.report.answers import JudgedAnswers
from orchestrator.report.context import ReportContext
from orchestrator.report.sections import errors
from tests.evaluation.test_estimate import sample
from tests.support.drawn_study import draw_study
from tests.support.report_blocks import column, context_of, only, table, words


def grey(rows: Sequence[int], side: int) -> list[Pixels | None]:
    return [np.full((side, side, 3), 90, np.uint8) for _ in rows]


def gone(rows: Sequence[int], side: int) -> list[Pixels | None]:
    return [None for _ in rows]


@pytest.fixture(scope="module")
def confused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_study(tmp_path_factory.mktemp("errors") / "a", fault="confused", rows=360, seed=1)


@pytest.fixture(scope="module")
def found(confused: Path) -> tuple[Block, ...]:
    return errors.blocks(context_of(confused, grey))


def test_the_planted_confusion_is_the_commonest_error(confused: Path, found: tuple[Block, ...]) -> None:
    first = table(found, "Commonest errors").rows[0]
    assert first[:2] == ("green", "red") and isinstance(first[3], float) and first[3] > 0.3
    prediction = context_of(confused).main.oof(context_of(confused).main.complete[0].number)
    assert prediction is not None
    expected = confusion_matrix(prediction.labels, prediction.probabilities.argmax(axis=1), normalize="true")
    np.testing.assert_allclose(np.array(only(found, Heatmap).values, float), expected)


def test_class_scores_are_of_the_out_of_fold_answers_of_the_best_trial(
    confused: Path, found: tuple[Block, ...]
) -> None:
    best = context_of(confused).main.complete[0].number
    frame = pd.read_parquet(confused / "oof" / f"t{best:04d}.parquet")
    predicted = frame[["p_red", "p_green", "p_blue"]].to_numpy().argmax(axis=1)
    scores = table(found, "Scores by class")
    assert column(scores, "F1") == pytest.approx(f1_score(frame["label"], predicted, average=None))
    assert column(scores, "rows") == np.bincount(frame["label"]).tolist()
    assert f"By trial {best}: {(predicted != frame['label']).sum()} wrong answers to 360 rows" in words(found)
    assert "were chosen by these same rows, so the numbers flatter" in words(found)


def test_mistakes_are_wrong_rows_of_different_groups_with_their_pictures(
    confused: Path, found: tuple[Block, ...]
) -> None:
    pictures, snapshot = only(found, Pictures), context_of(confused).main
    prediction = snapshot.oof(snapshot.complete[0].number)
    assert prediction is not None and snapshot.manifest is not None
    rows = [row for (row,) in pictures.sets]
    groups = snapshot.manifest.frame["group"].iloc[rows]
    assert len(rows) == 24 and groups.is_unique
    losses = log_losses(prediction.labels, prediction.probabilities)[:, 0]
    wrong = prediction.probabilities.argmax(axis=1) != prediction.labels
    assert rows[0] == int(np.where(wrong, losses, -1).argmax()) and wrong[rows].all()
    assert pictures.heads[0].split(" (")[0].count("taken for") == 1


@pytest.mark.parametrize("images", [None, gone])
def test_without_images_mistakes_are_listed_and_it_is_said(confused: Path, images: object) -> None:
    made = errors.blocks(context_of(confused, images))  # type: ignore[arg-type]
    assert not [item for item in made if isinstance(item, Pictures)]
    assert "mistakes are listed without pictures" in words(made)
    assert len(table(made, "Worst mistakes").rows) == 24
    folds = pd.read_parquet(confused / "folds.parquet")["fold"].to_numpy()
    listed = table(made, "Worst mistakes")
    assert column(listed, "fold") == [folds[row] for row in column(listed, "row")]


def test_the_worst_groups_are_named_with_intervals(found: tuple[Block, ...]) -> None:
    groups = table(found, "Groups that fare worst")
    assert len(groups.rows) == errors.MOST_GROUPS and "of 90 groups" in groups.note
    assert all(isinstance(share, float) and share < 1 for share in column(groups, "share right"))
    assert column(groups, "share right")[0] == 0
    assert set(column(groups, "fold")) <= {0, 1, 2}
    assert "right or wrong together" in words(found) or "hardly more than the chance" in words(found)


def test_few_groups_are_drawn_and_rows_without_groups_are_not(tmp_path: Path) -> None:
    few = errors.blocks(context_of(draw_study(tmp_path / "few", rows=120, rows_per_group=10)))
    assert len(only(few, IntervalChart, "Right answers by group").intervals) == 12
    alone = errors.blocks(context_of(draw_study(tmp_path / "alone", rows_per_group=1)))
    assert not [item for item in alone if isinstance(item, Table) and "Groups" in item.title]
    assert "rows have no groups here" in words(alone)


def test_probabilities_that_are_too_sure_are_told_from_calibrated_ones(tmp_path: Path) -> None:
    calibrated = errors.blocks(context_of(draw_study(tmp_path / "a", seed=4)))
    sure = errors.blocks(context_of(draw_study(tmp_path / "b", fault="uncalibrated", seed=4)))
    assert "perfectly calibrated answers show up to" in words(calibrated)
    assert "on the whole too sure" in words(sure)
    curve = only(sure, LineChart, "Calibration").lines[1]
    assert np.mean(np.array(curve.y, float) < np.array(curve.x, float)) > 0.8


# ---- the ensemble: nothing is judged by what was fitted to it ----


def test_a_temperature_is_taken_back_exactly() -> None:
    _, probabilities, _ = sample(1)
    warm = Temperature(1.7)
    np.testing.assert_allclose(without_temperature(warm.apply(probabilities), warm), probabilities, atol=1e-5)


def judged(seed: int, metric: str = "macro_f1") -> tuple[JudgedRows, np.ndarray]:
    labels, probabilities, groups = sample(seed, rows=300)
    folds = (groups % 3).astype(np.int16)
    return JudgedRows(labels=labels, folds=folds, codes=groups, metric=metric, mode="max"), probabilities


def test_a_rows_temperature_and_decisions_know_nothing_of_its_fold() -> None:
    """Other labels in a fold change how the others are answered, and nothing of its own rows."""
    rows, probabilities = judged(2)
    own = rows.folds == 1
    changed = JudgedRows(
        labels=np.where(own, (rows.labels + 1) % 3, rows.labels), folds=rows.folds, codes=rows.codes,
        metric=rows.metric, mode=rows.mode,
    )  # fmt: skip
    temperature, decisions = Temperature(1.3), Decisions("offsets", (0.0, 0.1, -0.1))
    before = refitted(rows, probabilities, temperature, decisions)
    after = refitted(changed, probabilities, temperature, decisions)
    for one, other in zip(before, after, strict=True):
        assert (one[own] == other[own]).all()
        assert (one[~own] != other[~own]).any()


def test_what_an_ensemble_does_not_have_is_not_fitted() -> None:
    rows, probabilities = judged(3)
    calibrated, decided = refitted(rows, probabilities, None, None)
    assert (calibrated == probabilities).all() and (decided == probabilities).all()


def test_decisions_under_a_metric_of_probabilities_are_fitted_to_macro_f1() -> None:
    rows, probabilities = judged(4, metric="log_loss")
    by_f1, _ = judged(4)
    decisions = Decisions("offsets", (0.0, 0.1, -0.1))
    assert (refitted(rows, probabilities, None, decisions)[1]
            == refitted(by_f1, probabilities, None, decisions)[1]).all()  # fmt: skip


# ---- strange studies ----


@pytest.mark.parametrize("state", ["running", "failed"])
def test_without_a_complete_trial_a_sentence_stands_there(tmp_path: Path, state: str) -> None:
    made = errors.blocks(context_of(draw_study(tmp_path / "a", state=state, most=3)))
    assert "No trial is complete yet" in words(made) and len(made) == 1


def test_predictions_that_are_gone_are_said_to_be(tmp_path: Path) -> None:
    study = draw_study(tmp_path / "a")
    shutil.rmtree(study / "oof")
    shutil.rmtree(study / "checkpoints")
    assert "cannot be read, so its errors are not known" in words(errors.blocks(context_of(study)))


def test_without_a_manifest_rows_have_no_groups(tmp_path: Path) -> None:
    study = draw_study(tmp_path / "a")
    build_ensemble(study, repeats=4)
    (study / "manifest.parquet").unlink()
    made = errors.blocks(context_of(study, grey))
    assert "(rows have no groups here)" in words(made) and only(made, Heatmap).values


def test_names_from_data_are_escaped(tmp_path: Path) -> None:
    names = ["<b>bold</b>", "=1+1", "plain"]
    made = errors.blocks(context_of(draw_study(tmp_path / "a", classes=names)))
    page = Page("t", (), (), (PageSection(errors.TITLE, made, errors.QUESTION),), lambda row: ())
    assert "<b>bold" not in render(page, {}, "0")


def test_of_many_classes_the_columns_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "NAMED_CLASSES", 2)
    matrix = only(errors.blocks(context_of(draw_study(tmp_path / "a"))), Heatmap)
    assert (matrix.row_labels, matrix.column_labels) == (("1 red", "2 green", "3 blue"), ("1", "2", "3"))
    assert matrix.texts[0][0].isdigit() and "0" not in {text for row in matrix.texts for text in row}


def test_many_classes_are_listed_and_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "MOST_CLASSES", 4)
    made = errors.blocks(context_of(draw_study(tmp_path / "a", classes=5, rows=300)))
    assert not [item for item in made if isinstance(item, Heatmap)]
    assert len(table(made, "Scores by class").rows) == 5


# ---- several labels, and classes with an order ----


def labelled(several: bool, ordered: bool = False) -> JudgedAnswers:
    draw = np.random.default_rng(5)
    classes, groups = ("a", "b", "c"), np.repeat(np.arange(40), 3).astype(str)
    if several:
        labels = (draw.random((120, 3)) < 0.4).astype(np.int64)
        chances = np.clip(0.4 * labels + 0.6 * draw.random((120, 3)), 0, 1).astype(np.float32)
    else:
        labels, chances = draw.integers(0, 3, 120), draw.dirichlet(np.ones(3), 120).astype(np.float32)
    task = Task(classes, several, ordered)
    folds = np.zeros(120, np.int16)
    return JudgedAnswers(
        "trial 0", task, np.arange(120), labels, chances, chances, folds, groups, True, "It flatters."
    )


def made_of(answers: JudgedAnswers, study: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Block, ...]:
    monkeypatch.setattr(ReportContext, "answers", answers)
    return errors.blocks(context_of(study, grey))


def test_several_labels_are_counted_one_by_one(confused: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = labelled(several=True)
    made = made_of(answers, confused, monkeypatch)
    rows = table(made, "Rows by label").rows
    hits = ((answers.labels == 1) & (answers.decided >= 0.5)).sum(axis=0)
    assert [row[1] for row in rows] == hits.tolist()
    assert all(sum(map(int, row[1:])) == 120 for row in rows)
    assert not [item for item in made if isinstance(item, Heatmap)]
    heads = only(made, Pictures).heads
    assert all("missed" in head or "false alarm" in head for head in heads)


def test_of_ordered_classes_the_distance_of_errors_is_told(
    confused: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = labelled(several=False, ordered=True)
    said = words(made_of(answers, confused, monkeypatch))
    away = np.abs(answers.decided.argmax(axis=1) - answers.labels)
    assert f"{(away == 1).mean():.1%} one class away, {(away == 2).mean():.1%} further." in said

"""One table of all trials: what is in it, its types, and that no cell is a formula."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.core.errors import InputError, StudyError
from orchestrator.space import choice, loguniform
from orchestrator.studies.exporting import all_trials, refuse_output, write_trials
from orchestrator.study import Study
from tests.support.drawn_study import draw_study

FORMULAS = ['=HYPERLINK("http://x")', "+1+1", "@SUM(A1)", "-2+3"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    draw_study(folder / "a", trials=4, folds=2, max_t=2, rows=48)
    words = {"lr": loguniform(1e-4, 1e-1), "width": choice(FORMULAS)}
    draw_study(folder / "=b", trials=3, folds=3, max_t=1, rows=48, metric="accuracy", params=words)
    return folder


def folders(runs: Path) -> list[Path]:
    return [runs / "a", runs / "=b"]


def test_a_row_is_a_trial_with_its_parameters_and_each_folds_score(runs: Path) -> None:
    frame, faults = all_trials(folders(runs))
    assert not faults and len(frame) == 7
    assert frame.groupby("study", sort=False)["metric"].first().to_dict() == {
        "a": "macro_f1",
        "=b": "accuracy",
    }
    study = Study(runs / "a")
    best = study.complete_trials()[0]
    [row] = frame[(frame["study"] == "a") & (frame["trial"] == best.number)].to_dict("records")
    assert row["score"] == pytest.approx(best.score) and row["state"] == "COMPLETE"
    assert [row["fold_0"], row["fold_1"]] == [item.score for item in best.bests]
    assert math.isnan(row["fold_2"]) and row["param_lr"] == best.config["lr"]
    assert str(row["param_width"]) == str(best.config["width"])  # text, for the other study has words there


def test_parquet_gives_the_table_back(runs: Path, tmp_path: Path) -> None:
    frame, _ = all_trials(folders(runs))
    write_trials(frame, tmp_path / "trials.parquet")
    back = pd.read_parquet(tmp_path / "trials.parquet")
    assert list(back.columns) == list(frame.columns) and len(back) == 7
    assert back["score"].tolist() == frame["score"].tolist()


def test_no_cell_of_the_csv_is_a_formula(runs: Path, tmp_path: Path) -> None:
    frame, _ = all_trials(folders(runs))
    write_trials(frame, tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    cells = [cell for row in (header, *rows) for cell in row]
    assert any(cell.startswith("'=") for cell in cells), "there were formulas, but"
    for cell in cells:
        if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
            float(cell)
    assert {row[0] for row in rows} == {"a", "'=b"}


def test_a_damaged_study_is_told_and_the_others_are_there(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "journal.jsonl").write_text("{\n")
    frame, faults = all_trials([tmp_path / "c", runs / "a"])
    assert len(frame) == 4 and len(faults) == 1 and str(tmp_path / "c") in faults[0]


def test_nothing_is_written_over_and_nothing_empty_is_written(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("mine")
    for name in ("there.csv", "trials.xlsx", "trials"):
        with pytest.raises(InputError, match="does not exist and ends in"):
            refuse_output(tmp_path / name)
    refuse_output(tmp_path / "new.CSV")
    with pytest.raises(StudyError, match="no trial"):
        write_trials(all_trials([])[0], tmp_path / "new.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]

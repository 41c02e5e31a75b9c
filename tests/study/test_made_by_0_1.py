"""Studies and an ensemble that version 0.1 wrote are read, resumed and voted over by this one.

`made_by_0_1` holds its data, its space and two of its studies of seed 3: `complete`, with an ensemble, and
`killed`, whose driver was killed after 14 epochs. Both name tests.pixel_trainable, so that stays.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.ensemble.folder import Ensemble
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.support.ensemble_command import UNIFORM
from tests.support.format_1 import to_format_1

MADE = Path(__file__).with_name("made_by_0_1")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shutil.copytree(MADE / "studies", tmp_path / "runs")
    shutil.copytree(MADE / "data", tmp_path / "data")
    return tmp_path / "runs"


def leaderboard(study: Path) -> list[tuple[int, float]]:
    return [(trial.number, trial.score) for trial in Study.open(study).complete_trials()]


def test_a_study_that_version_0_1_finished_is_read(runs: Path) -> None:
    with_scores = pd.read_parquet(runs / "complete" / "trials.parquet")
    best = with_scores[with_scores["state"] == "COMPLETE"].sort_values("score", ascending=False)
    found = leaderboard(runs / "complete")
    assert [number for number, _ in found] == best["trial"].tolist()
    assert [score for _, score in found] == pytest.approx(best["score"].tolist(), abs=1e-12)


def test_a_study_that_version_0_1_left_is_resumed_to_the_scores_of_the_uninterrupted_one(runs: Path) -> None:
    before = (runs / "killed" / "journal.jsonl").read_bytes()
    words = ["--resume", "--study", "killed", "--runs", str(runs), "--inline"]
    assert tune([*words, "--data-root", str(runs.parent / "data")]) == 0
    assert (runs / "killed" / "journal.jsonl").read_bytes().startswith(before.rpartition(b"\n")[0])
    assert leaderboard(runs / "killed") == leaderboard(runs / "complete")


def test_a_finished_study_of_version_0_1_is_extended(runs: Path) -> None:
    words = ["--resume", "--study", "complete", "--runs", str(runs), "--inline", "--trials", "12"]
    assert tune([*words, "--data-root", str(runs.parent / "data")]) == 0
    events = [json.loads(line) for line in (runs / "complete" / "journal.jsonl").read_text().splitlines()]
    assert sum(event["event"] == "proposed" for event in events) == 12


def test_studies_of_version_0_1_are_voted_over_with_the_same_scores(runs: Path) -> None:
    out = runs / "complete" / "again"
    assert ensemble(["--study", str(runs / "complete"), "--out", str(out), *UNIFORM]) == 0
    old = json.loads((runs / "complete" / "ensemble" / "ensemble.json").read_text())
    new = to_format_1(out)
    before, after = old.pop("estimates"), new.pop("estimates")
    # 0.1 wrote the studies' own alone
    assert new.pop("metrics")["macro_f1"]["mean"] == pytest.approx(before["mean"], abs=1e-12)
    assert new == old
    assert {key: after[key] for key in ("folds", "candidates")} == {
        key: before[key] for key in ("folds", "candidates")
    }
    # Intervals and what is corrected are worked out otherwise since; the score of all rows is not.
    assert after["naive"]["score"] == pytest.approx(before["naive"]["score"], abs=1e-12)
    assert after["bbc_race"]["score"] is None  # of its epochs nothing was kept


def test_an_ensemble_of_version_0_1_predicts(runs: Path) -> None:
    table = pd.read_csv(runs.parent / "data" / "rows.csv")
    paths = [runs.parent / "data" / path for path in table["path"]]
    old = Ensemble.load(runs / "complete" / "ensemble")
    probabilities = old.predict(paths)
    assert probabilities.shape == (60, 2)
    truth = table["tint"].map({"red": 0, "blue": 1}).to_numpy()
    assert np.mean(probabilities.argmax(axis=1) == truth) > 0.8

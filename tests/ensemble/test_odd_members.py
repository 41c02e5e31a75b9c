"""The command on studies that leave little to choose: each has an answer, or a refusal in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.ensemble.__main__ import main
from orchestrator.tune.__main__ import main as tune
from tests.support.ensemble_command import record
from tests.support.ensemble_studies import PIXELS, TINT, Plan, draw, make_study

TELLING_NOTHING = 0.0  # a learning rate: nothing is learnt, every answer is 1/C


def steps(folder: Path) -> dict[str, dict]:  # type: ignore[type-arg]
    """What was considered of the vote, by name."""
    (step, *_) = record(folder)["choice"]["steps"]
    return {item["name"]: item for item in step["considered"]}


def ensemble_of(runs: Path, study: str) -> Path:
    assert main(["--runs", str(runs), "--study", study, "--out", str(runs / "e")]) == 0
    return runs / "e"


def test_trials_that_all_answer_alike_leave_the_first_alone(tmp_path: Path, data: Path) -> None:
    make_study(tmp_path / "alike", data, Plan(lrs=(TELLING_NOTHING,) * 3, finalists=3))
    folder = ensemble_of(tmp_path, "alike")
    members = record(folder)["routes"][0]["terms"][0]["members"]
    assert [item["trial"] for item in members if item["weight"] > 0] == [0]
    assert all(item["gain"] in (0.0, None) for item in steps(folder).values())
    naive = record(folder)["estimates"][0]
    assert naive["score"] == pytest.approx(2 * (1 / 6) / (1 + 1 / 6) / 6)  # all rows in one class of six


def test_two_groups_have_no_interval_that_could_be_gated(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        name = f"{number}.png"
        draw(tmp_path / name, rng, number % 2, number // 2 % 3)
        rows.append(
            (name, f"g{number // 12}", ("red", "blue")[number % 2], ("dark", "mid", "light")[number // 2 % 3])
        )
    data = tmp_path / "rows.csv"
    pd.DataFrame(rows, columns=["path", "group", "tint", "shade"]).to_csv(data, index=False)
    make_study(tmp_path / "two", data, Plan(target=TINT, folds=2))
    folder = ensemble_of(tmp_path, "two")
    assert any("2 groups cannot tell its error" in item["reason"] for item in steps(folder).values())


def test_a_trial_whose_answers_are_not_numbers_never_votes(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "space.py"
    space.write_text(
        "from orchestrator.space import SearchSpace, categorical, choice\n"
        f"space = SearchSpace(trainable={PIXELS!r}, target=categorical('tint', ['red', 'blue']), folds=3,\n"
        "    max_t=2, trials=2, params={'lr': 0.1, 'nan_at': choice([-1, 2])})\n"
    )
    words = ["--space", str(space), "--data", str(data), "--inline", "--sampler", "grid", "--study", "some"]
    tune([*words, "--runs", str(tmp_path)])
    folder = ensemble_of(tmp_path, "some")
    members = record(folder)["routes"][0]["terms"][0]["members"]
    assert [item["config"]["nan_at"] for item in members] == [-1]

"""How `tune` speaks: to a person, to nobody until it is over, or to a program."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.core.errors import InputError
from orchestrator.progress.json_events import VERSION
from orchestrator.tune.__main__ import main
from orchestrator.tune.request import Request

ROOT = Path(__file__).parents[2]


def tune(space: Path, data: Path, runs: Path, *more: str) -> int:
    words = ["--space", str(space), "--data", str(data), "--runs", str(runs), "--study", "a", "--inline"]
    return main([*words, "--trials", "3", "--max-epochs", "2", "--no-report", *more])


def test_json_prints_events_alone_and_a_result_that_agrees_with_the_files(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(space_file, faces, tmp_path, "--json") == 0
    said = capsys.readouterr()
    found = [json.loads(line) for line in said.out.splitlines()]
    assert said.err == ""
    assert {event["v"] for event in found} == {VERSION}
    kinds = [event["event"] for event in found]
    assert kinds[0] == "step" and "result" in kinds and kinds.count("study") == 1
    journal = [json.loads(line) for line in (tmp_path / "a" / "journal.jsonl").read_text().splitlines()]
    for kind in ("proposed", "leg_started", "epoch_ended"):
        mine = [_shared(event) for event in found if event["event"] == kind]
        assert mine == [_shared(event) for event in journal if event["event"] == kind]
    result = next(event for event in found if event["event"] == "result")
    assert result["study"] == str(tmp_path / "a")
    assert result["score"] == pytest.approx(sum(result["fold_scores"]) / 3)
    assert result["trial"] in result["complete_trials"]
    _every_event_is_documented(set(kinds))


def _shared(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("v", "time", "crc", "digests")}


def _every_event_is_documented(kinds: set[str]) -> None:
    page = (ROOT / "docs" / "reference" / "events.md").read_text()
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in page] == []


def test_an_error_is_an_event_and_a_line_on_standard_error(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(space_file, faces, tmp_path, "--json", "--rule", "nonsense") == 2
    said = capsys.readouterr()
    last = json.loads(said.out.splitlines()[-1])
    assert last["event"] == "error" and last["text"].startswith("--rule nonsense")
    assert said.err == f"error: {last['text']}\n"


def test_quiet_prints_what_came_of_it_and_nothing_before(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(space_file, faces, tmp_path, "--quiet") == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].startswith("best: trial ") and lines[-1].startswith("next: ")
    assert not any("space:" in line or "progress" in line or "leaderboard" in line for line in lines)
    assert said.err == ""


def test_trials_folds_epochs_and_rungs_have_the_same_numbers_on_the_screen_and_in_the_files(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(space_file, faces, tmp_path) == 0
    said = capsys.readouterr().out
    trials = pd.read_parquet(tmp_path / "a" / "trials.parquet").set_index("trial")
    epochs = pd.read_parquet(tmp_path / "a" / "epochs.parquet").set_index(["trial", "fold", "epoch"])
    board = re.findall(r"leaderboard t(\d{4}) ([A-Z]+) rung (\d) \S+ (\S+), (\d) fold", said)
    assert len(board) == 3
    for trial, state, rung, score, folds in board:
        row = trials.loc[int(trial)]
        assert (row["state"], row["rung"], row["folds_complete"]) == (state, int(rung), int(folds))
        assert f"{row['score']:.4f}" == score
    legs = re.findall(r"(?:park|stop) t(\d{4})-f(\d) epoch (\d) \S+ (\d\S+)", said)
    assert legs
    for trial, fold, epoch, score in legs:
        assert f"{epochs.loc[int(trial), int(fold), int(epoch)]['score']:.4f}" == score
    best = trials[trials["state"] == "COMPLETE"].iloc[0]
    assert f"best: trial {best.name}, {best['score']:.4f} (folds " in said
    assert f"best t{best.name:04d} macro_f1 {best['score']:.4f} at rung {best['rung']:.0f}" in said


def test_both_at_once_are_refused() -> None:
    with pytest.raises(InputError, match="--json and --quiet"):
        Request(json=True, quiet=True)

"""`ensemble --json`: events on standard output and nothing else there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ensemble.__main__ import main
from orchestrator.progress.json_events import VERSION
from tests.support.ensemble_command import UNIFORM, record

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_last_event_names_every_file_and_the_estimates_of_the_record(
    runs: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, submission = runs / "e", runs / "s.csv"
    words = ["--runs", str(runs), "--study", "both", "--out", str(out), *UNIFORM, "--no-report", "--json"]
    assert main([*words, "--predict", str(evaluation), "--submission", str(submission)]) == 0
    found = events(capsys)
    assert {event["v"] for event in found} == {VERSION}
    last, own = found[-1], record(out)
    assert last["event"] == "ensemble" and [event["event"] for event in found].count("ensemble") == 1
    assert {name: last[name] for name in ("metric", "mode", "estimates", "studies")} == {
        name: own[name] for name in ("metric", "mode", "estimates", "studies")
    }
    assert last["ensemble"] == str(out) and last["submission"] == str(submission)
    assert Path(last["probabilities"]).is_file() and last["exported"] is None
    page = PAGE.read_text()
    assert [name for name in last if f"`{name}`" not in page] == []


def test_what_a_person_reads_is_a_message_each_line_whole(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--runs", str(runs), "--study", "both", *UNIFORM, "--no-report"]
    assert main([*words, "--out", str(runs / "a"), "--json"]) == 0
    found = events(capsys)
    texts = [event["text"] for event in found if event["event"] == "message"]
    assert f"ensemble: {runs / 'a'}" in texts
    assert any(event["event"] == "step" and event["step"] == "copying weights" for event in found)
    assert found[-1]["probabilities"] is None


def test_a_refusal_is_an_event_and_a_line_on_standard_error(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--runs", str(runs), "--study", "nowhere", "--json"]) == 2
    said = capsys.readouterr()
    last = json.loads(said.out.splitlines()[-1])
    assert last["event"] == "error" and said.err == f"error: {last['text']}\n"

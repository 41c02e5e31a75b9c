"""A journal is believed as far as the race, shown its events again, decides what it says was decided."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.tune.__main__ import main as tune
from tests.support.journals import unsealed
from tests.support.small_study import make_small_study

Record = dict[str, Any]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_study(tmp_path_factory.mktemp("replayed"))


def resumed(study: Path, change: Callable[[list[Record]], Any]) -> int:
    copy = study.with_name("changed")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(study, copy)
    records = [json.loads(line) for line in unsealed((study / "journal.jsonl").read_text()).splitlines()]
    change(records)
    (copy / "journal.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return tune(["--resume", "--study", "changed", "--runs", str(study.parent), "--inline"])


def test_nothing_is_said_of_a_journal_as_it_was_written(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resumed(study, lambda records: None) == 0
    assert "the race decides" not in capsys.readouterr().out


def test_nor_of_one_that_ends_amid_an_events_decisions(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def cut(records: list[Record]) -> None:
        pairs = pairwise(records)
        twice = next(
            at for at, pair in enumerate(pairs) if [item["event"] for item in pair] == ["decided", "decided"]
        )
        del records[twice + 1 :]

    assert resumed(study, cut) == 0
    assert "the race decides" not in capsys.readouterr().out


def test_a_score_that_was_changed_is_told_where_the_race_decides_otherwise(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def raise_the_worst(records: list[Record]) -> None:
        first = [record for record in records if record["event"] == "epoch_ended" and record["epoch"] == 1]
        pruned = next(r["trial"] for r in records if r["event"] == "decided" and r["action"] == "PRUNE")
        record = next(record for record in first if record["trial"] == pruned)
        record["score"] = record["metrics"]["macro_f1"] = 0.99

    assert resumed(study, raise_the_worst) in (0, 2)
    said = capsys.readouterr()
    assert ("note: " in said.out and "the race decides" in said.out) or "cannot have come to this" in said.err
    assert "journal.jsonl:" in said.out + said.err


def test_a_leg_that_no_race_would_start_is_refused_with_its_line(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def again(records: list[Record]) -> None:
        at = next(
            at for at, record in enumerate(records)
            if record["event"] == "leg_started" and (record["start"], record["end"]) == (1, 2)
        )  # fmt: skip
        behind = next(
            number for number in range(at, len(records))
            if records[number]["event"] == "decided" and records[number]["action"] == "STOP"
        )  # fmt: skip
        records.insert(behind + 1, records[at])

    assert resumed(study, again) == 2
    assert "the race cannot have come to this" in capsys.readouterr().err

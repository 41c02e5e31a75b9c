"""Notes and leaderboard scores: appended, read back, and what becomes of lines that are torn."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.core.errors import StudyError
from orchestrator.study.remarks import (
    NOTES,
    SCORES,
    LeaderboardScore,
    Note,
    add_note,
    add_score,
    read_remarks,
)


def a_score(public: float | None, **more: object) -> LeaderboardScore:
    fields = {"private": None, "metric": "accuracy", "oof": 0.7, "low": 0.65, "high": 0.75, "estimate": "bbc"}
    return LeaderboardScore(time=1.0, public=public, **{**fields, **more})  # type: ignore[arg-type]


def test_what_is_said_is_read_back_oldest_first(tmp_path: Path) -> None:
    add_note(tmp_path, " first\nof two lines ", now=1.0)
    add_note(tmp_path, "\x1b[2J\u202e second", now=2.0)
    add_score(tmp_path, a_score(0.71, ensemble="ensemble-1", note="a = 1"))
    found = read_remarks(tmp_path)
    assert found.notes == (Note(1.0, "first\nof two lines"), Note(2.0, "\x1b[2J\u202e second"))
    assert found.scores == (a_score(0.71, ensemble="ensemble-1", note="a = 1"),) and not found.faults
    assert (tmp_path / NOTES).read_text().count("\n") == 2  # a line each, whatever is in it


def test_a_torn_line_costs_itself_alone_and_stays(tmp_path: Path) -> None:
    add_note(tmp_path, "before", now=1.0)
    torn = (tmp_path / NOTES).read_bytes()[:-9]
    (tmp_path / NOTES).write_bytes(torn)
    add_note(tmp_path, "after", now=2.0)
    found = read_remarks(tmp_path)
    assert [item.text for item in found.notes] == ["after"]
    assert found.faults == (f"{tmp_path / NOTES}: 1 line of 2 cannot be read",)
    assert (tmp_path / NOTES).read_bytes().startswith(torn)


@pytest.mark.parametrize(
    "line", ['{"time": 1}', "[1]", "null", '{"time": "x", "text": "y"}', '{"time": NaN, "text": "y"}', "\x80"]
)
def test_a_line_that_is_no_note_is_left_out_and_told(tmp_path: Path, line: str) -> None:
    (tmp_path / NOTES).write_text(f"{line}\n", encoding="latin-1")
    found = read_remarks(tmp_path)
    assert not found.notes and len(found.faults) == 1


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NOTES)
    (tmp_path / SCORES).mkdir()
    assert len(read_remarks(tmp_path).faults) == 2
    with pytest.raises(OSError):
        add_note(tmp_path, "text")


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / NOTES).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        add_note(tmp_path, "text")
    assert (tmp_path / "elsewhere").read_text() == ""


@pytest.mark.parametrize("text", ["", " \n", "x" * 10_001])
def test_a_note_is_a_text_of_some_length(tmp_path: Path, text: str) -> None:
    with pytest.raises(StudyError, match="1 to 10000 characters"):
        add_note(tmp_path, text)
    assert not (tmp_path / NOTES).exists()


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_score_is_a_finite_number(tmp_path: Path, value: float | None) -> None:
    with pytest.raises(StudyError, match="finite number"):
        add_score(tmp_path, a_score(value))
    assert not (tmp_path / SCORES).exists()

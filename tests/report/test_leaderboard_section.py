"""What users wrote down stands in the report; of other rows nothing is compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.pages.blocks import Table, Text
from orchestrator.pages.figures import ScatterChart
from orchestrator.report.context import ReportContext
from orchestrator.report.sections import leaderboard
from orchestrator.snapshot import take_snapshot
from orchestrator.studies.scoring import leaderboard_score
from orchestrator.study import Study
from orchestrator.study.remarks import NOTES, add_note, add_score
from tests.support.drawn_study import draw_study


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaderboard")
    draw_study(folder / "a", trials=2, folds=2, max_t=1, rows=48)
    draw_study(folder / "other", trials=2, folds=2, max_t=1, rows=24)
    return folder


@pytest.fixture
def runs(drawn: Path, tmp_path: Path) -> Path:
    return shutil.copytree(drawn, tmp_path / "runs")


def context(*folders: Path) -> ReportContext:
    return ReportContext(tuple(take_snapshot(folder) for folder in folders), ((),) * len(folders), None)


def scored(folder: Path, public: float, **more: float) -> None:
    add_score(folder, leaderboard_score(Study(folder), public, more.get("private"), now=1.0))


def test_without_a_word_there_is_no_section(runs: Path) -> None:
    assert leaderboard.blocks(context(runs / "a")) == ()


def test_scores_are_points_beside_what_was_known_and_from_four_on_their_order_is_told(runs: Path) -> None:
    shutil.copytree(runs / "a", runs / "copy")
    scored(runs / "a", 0.7, private=0.6)
    scored(runs / "copy", 0.72)
    scored(runs / "other", 0.1)
    chart, lines, table = leaderboard.blocks(context(*(runs / name for name in ("a", "copy", "other"))))
    assert isinstance(chart, ScatterChart) and isinstance(lines, Text) and isinstance(table, Table)
    best = Study(runs / "a").complete_trials()[0]
    assert [(point.y, point.group) for point in chart.points] == [
        (0.7, "public"), (0.6, "private"), (0.72, "public"),
    ]  # fmt: skip
    assert {point.x for point in chart.points} == {best.score}
    assert [point.trial for point in chart.points] == [best.number, best.number, None]  # of another study
    assert "from 4 on" in str(lines.paragraphs[0]) and len(table.rows) == 2
    for _ in range(2):
        scored(runs / "a", 0.7)
    _, lines, _ = leaderboard.blocks(context(runs / "a", runs / "copy"))
    assert isinstance(lines, Text) and "4 pairs" in str(lines.paragraphs[0])


def test_notes_are_shown_and_a_damaged_file_stops_nothing(runs: Path) -> None:
    add_note(runs / "a", "<script>alert(1)</script>", now=1.0)
    [table] = leaderboard.blocks(context(runs / "a"))
    assert isinstance(table, Table) and table.rows[0][1:] == ("a", "<script>alert(1)</script>")
    (runs / "a" / NOTES).write_bytes(b"\x80{")
    found = context(runs / "a")
    assert leaderboard.blocks(found) == () and "cannot be read" in found.main.notes[0]

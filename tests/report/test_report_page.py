"""docs/how-to/report.md says what a report has and does."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.report.page import SECTIONS
from orchestrator.study_checks.fitted_baseline import QUICK
from tests.support.drawn_study import draw_study

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "report.md").read_text(encoding="utf-8")


def test_the_page_has_every_section_with_its_question_in_the_order_of_the_report() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    listed = [(row[0], row[1]) for row in rows if row[0] in {section.TITLE for section in SECTIONS}]
    assert listed == [(section.TITLE, section.QUESTION) for section in SECTIONS]


def test_the_page_knows_how_many_rows_have_a_baseline_at_once() -> None:
    assert f"of up to {QUICK:,} rows" in PAGE


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_study(tmp_path / "runs" / "age")
    draw_study(tmp_path / "runs" / "age-fixed", seed=1)
    code = PAGE.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "report.md", "exec"), {})  # noqa: S102 - the page's own
    assert (tmp_path / "runs" / "age" / "report.html").is_file() and (tmp_path / "both.html").is_file()

"""docs/reference/checks has a page for every check, and a table of contents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.core.finding_codes import OF_STUDIES, FindingCode
from orchestrator.snapshot import take_snapshot
from orchestrator.study_checks import check_study
from tests.support.drawn_study import draw_study

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "checks"
HEADS = ["How it is found", "Evidence", "What to do", "When there is nothing to worry about", "False alarms"]


def test_the_table_of_contents_has_a_line_for_every_check() -> None:
    index = (PAGES / "index.md").read_text()
    rows = re.findall(r"^\| \[(FO\d{3})\]\(\1\.md\) \| (.+?) \| (.+?) \|$", index, flags=re.MULTILINE)
    assert rows == [(item.code, item.title, item.meaning) for item in OF_STUDIES]
    assert {path.stem for path in PAGES.glob("FO*.md")} == {item.code for item in OF_STUDIES}


@pytest.mark.parametrize("item", OF_STUDIES, ids=lambda item: item.code)
def test_a_page_says_what_a_check_means_and_when_it_is_no_worry(item: FindingCode) -> None:
    text = (PAGES / f"{item.code}.md").read_text()
    assert text.startswith(f"# {item.code}: {item.title}\n")
    plain = " ".join(text.split())
    assert item.meaning in plain and "**Level:**" in text
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    assert parts[1::2] == HEADS and all(part.strip() for part in parts[2::2])


def test_the_program_of_the_index_prints_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_study(tmp_path / "runs" / "age", probabilities=False)
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", (PAGES / "index.md").read_text(), flags=re.DOTALL)
    exec(program, {})  # noqa: S102 - it is ours
    assert len(capsys.readouterr().out.splitlines()) == len(OF_STUDIES)
    assert check_study(take_snapshot(tmp_path / "runs" / "age"), seed=0)
